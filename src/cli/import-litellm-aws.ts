import type { Connection, Parameters } from './import-connection.ts'
import { type ImportWork, plainText, plainUrl, secretReference, variable, textOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** The Bedrock provider a deployment describes. */
export function connectionOf(work: ImportWork, parameters: Parameters): Connection {
  const { values, pathOf } = parameters
  const region = values['aws_region_name'] ?? 'os.environ/AWS_REGION_NAME'
  const endpoint = plainUrl(
    work,
    values['aws_bedrock_runtime_endpoint'] ?? values['api_base'],
    pathOf('aws_bedrock_runtime_endpoint'),
  )
  return {
    draft: {
      type: 'bedrock',
      region: plainText(work, textOf(region), { path: pathOf('aws_region_name') }),
      ...(endpoint === undefined ? {} : { baseUrl: endpoint }),
      credentials: credentialsOf(work, parameters),
    },
    hint:
      typeof values['aws_region_name'] === 'string' && !values['aws_region_name'].includes('/')
        ? `bedrock-${values['aws_region_name']}`
        : 'bedrock',
    used: USED,
  }
}

const USED = [
  'aws_region_name',
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
  'aws_session_name',
  'aws_role_name',
  'aws_web_identity_token',
  'aws_sts_endpoint',
  'aws_external_id',
  'aws_bedrock_runtime_endpoint',
  'api_key',
  'api_base',
]

function credentialsOf(work: ImportWork, { values, pathOf }: Parameters): Draft {
  const secret = (member: string, name: string) => secretReference(work, values[member], { path: pathOf(member), variable: name })
  const has = (member: string) => typeof values[member] === 'string' && values[member] !== ''
  if (has('api_key')) return { type: 'api_key', key: secret('api_key', 'AWS_BEARER_TOKEN_BEDROCK') }
  const keys = () => ({
    accessKeyId: has('aws_access_key_id')
      ? secret('aws_access_key_id', 'AWS_ACCESS_KEY_ID')
      : variable(work, 'AWS_ACCESS_KEY_ID', pathOf('model')),
    secretAccessKey: has('aws_secret_access_key')
      ? secret('aws_secret_access_key', 'AWS_SECRET_ACCESS_KEY')
      : variable(work, 'AWS_SECRET_ACCESS_KEY', pathOf('model')),
    ...(has('aws_session_token') ? { sessionToken: secret('aws_session_token', 'AWS_SESSION_TOKEN') } : {}),
  })
  if (!has('aws_role_name')) {
    if (!has('aws_access_key_id'))
      work.report.approximated(
        pathOf('model'),
        'AWS\'s default credentials are not looked for: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write "credentials" of the type container, metadata or web_identity',
      )
    return { type: 'static', ...keys() }
  }
  const role = roleOf(work, { values, pathOf })
  if (!has('aws_web_identity_token'))
    return { type: 'assume_role', ...role, ...externalId(work, { values, pathOf }), source: { type: 'static', ...keys() } }
  return { type: 'web_identity', ...role, token: secret('aws_web_identity_token', 'AWS_WEB_IDENTITY_TOKEN') }
}

function roleOf(work: ImportWork, { values, pathOf }: Parameters): Draft {
  const session = values['aws_session_name']
  const stsUrl = plainUrl(work, values['aws_sts_endpoint'], pathOf('aws_sts_endpoint'))
  const isName = typeof session === 'string' && /^[\w+=,.@-]{2,64}$/.test(session)
  return {
    roleArn: plainText(work, textOf(values['aws_role_name']), {
      path: pathOf('aws_role_name'),
      sample: 'arn:aws:iam::123456789012:role/set',
    }),
    ...(isName ? { sessionName: session } : {}),
    ...(stsUrl === undefined ? {} : { stsUrl }),
  }
}

function externalId(work: ImportWork, { values, pathOf }: Parameters): Draft {
  const id = values['aws_external_id']
  return typeof id === 'string' ? { externalId: plainText(work, id, { path: pathOf('aws_external_id') }) } : {}
}
