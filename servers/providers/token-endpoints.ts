import { createHash } from 'node:crypto'

/** What a token endpoint or a metadata server answers. */
export interface TokenAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** What was asked of it. */
export interface TokenQuestion {
  readonly method: string
  readonly path: string
  readonly header: (name: string) => string | undefined
  readonly body: string
}

const LIFETIME_SECONDS = 3600
const EXPIRES = '2099-01-01T00:00:00Z'
const IMDS_ROLE = 'fake-role'

/** Answers the token endpoints of AWS, Google and Entra ID and the metadata servers; undefined for any other path. All tokens are fake. */
export function tokenAnswer(question: TokenQuestion): TokenAnswer | undefined {
  const { method, path, header } = question
  if (method === 'POST') return posted(question)
  if (method === 'PUT') return path === '/latest/api/token' ? plain('fake-imds-token') : undefined
  if (path === '/computeMetadata/v1/instance/service-accounts/default/token')
    return header('metadata-flavor') === 'Google' ? json(bearer(path)) : refused('Metadata-Flavor: Google is missing')
  if (path === '/metadata/identity/oauth2/token')
    return header('metadata') === 'true'
      ? json({ ...bearer(path), expires_in: String(LIFETIME_SECONDS) })
      : refused('Metadata: true is missing')
  if (path.startsWith('/latest/meta-data/iam/security-credentials/')) {
    if (header('x-aws-ec2-metadata-token') !== 'fake-imds-token') return refused('no session token', 401)
    return path.endsWith('/') ? plain(IMDS_ROLE) : json({ Code: 'Success', ...awsKeys(path) })
  }
  return path === '/v2/credentials' ? json(awsKeys(path)) : undefined
}

function posted({ path, body }: TokenQuestion): TokenAnswer | undefined {
  const form = new URLSearchParams(body)
  if (path === '/' && form.has('Action')) return securityToken(form)
  if (path.endsWith(':generateAccessToken')) return json({ accessToken: tokenFor(path + body), expireTime: EXPIRES })
  if (path.endsWith('/oauth2/v2.0/token')) return form.has('client_id') ? json(bearer(body)) : oauthError('client_id is missing')
  if (path !== '/token' && path !== '/v1/token') return undefined
  const grant = form.get('grant_type') ?? ''
  const wanted = grant.endsWith(':jwt-bearer') ? 'assertion' : 'subject_token'
  return form.has(wanted) ? json(bearer(body)) : oauthError(`${wanted} is missing`)
}

function securityToken(form: URLSearchParams): TokenAnswer {
  const action = form.get('Action') ?? ''
  const needed =
    action === 'AssumeRoleWithWebIdentity' ? ['RoleArn', 'RoleSessionName', 'WebIdentityToken'] : ['RoleArn', 'RoleSessionName']
  const missing = needed.find((name) => !form.has(name))
  if (missing !== undefined)
    return xml(
      400,
      `<ErrorResponse><Error><Code>ValidationError</Code><Message>${missing} is missing</Message></Error></ErrorResponse>`,
    )
  const { AccessKeyId, SecretAccessKey, Token } = awsKeys(form.get('RoleArn') ?? '')
  const keys = `<AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey>`
  const credentials = `<Credentials>${keys}<SessionToken>${Token}</SessionToken><Expiration>${EXPIRES}</Expiration></Credentials>`
  const inner = `<${action}Result>${credentials}</${action}Result>`
  return xml(200, `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${inner}</${action}Response>`)
}

function awsKeys(of: string) {
  const mark = tokenFor(of).slice(-8).toUpperCase()
  return {
    AccessKeyId: `ASIAFAKE${mark}`,
    SecretAccessKey: `fake-secret-${mark}`,
    Token: `fake-session-${mark}`,
    Expiration: EXPIRES,
  }
}

const tokenFor = (text: string) => `fake-token-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
const bearer = (of: string) => ({ access_token: tokenFor(of), token_type: 'Bearer', expires_in: LIFETIME_SECONDS })
const json = (value: object, status = 200) => ({ status, contentType: 'application/json', body: JSON.stringify(value) })
const plain = (body: string) => ({ status: 200, contentType: 'text/plain', body })
const xml = (status: number, body: string) => ({ status, contentType: 'text/xml', body })
const refused = (message: string, status = 403) => json({ error: message }, status)
const oauthError = (text: string) => json({ error: 'invalid_request', error_description: text }, 400)
