// The connection a LiteLLM deployment describes, as one of our providers. Where it names no credential LiteLLM looks into well-known
// variables of its environment; the provider then names the same ones.
import { PROFILES_WITHOUT_ADDRESS } from '../config/provider.ts'
import type { Connection, Parameters } from './import-connection.ts'
import { connectionOf as awsOf } from './import-litellm-aws.ts'
import type { Vendor } from './import-vendors.ts'
import { type ImportWork, plainHeaders, plainText, plainUrl, secretReference, variable, textOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

const DUMMY_KEY = /^(none|null|dummy|empty|na|n\/a|not[-_]?needed|fake.*|anything|sk-none)$/i

/** The provider behind a deployment; a text when there cannot be one, saying why. */
export function toConnection(work: ImportWork, vendor: Vendor, parameters: Parameters): Connection | string {
  const connection = connect(work, vendor, parameters)
  if (typeof connection === 'string') return connection
  const header = ['extra_headers', 'headers', 'default_headers'].find((name) => parameters.values[name] !== undefined)
  if (header === undefined) return connection
  const headers = plainHeaders(work, parameters.values[header], parameters.pathOf(header))
  return {
    ...connection,
    draft: headers === undefined ? connection.draft : { ...connection.draft, headers },
    used: [...connection.used, header],
  }
}

function connect(work: ImportWork, vendor: Vendor, parameters: Parameters): Connection | string {
  switch (vendor.type) {
    case 'openai':
    case 'anthropic':
    case 'gemini':
      return withKey(work, vendor, parameters)
    case 'openai_compatible':
      return compatible(work, vendor, parameters)
    case 'azure':
      return azure(work, parameters)
    case 'vertex':
      return vertex(work, parameters)
    case 'bedrock':
      return awsOf(work, parameters)
  }
}

function withKey(
  work: ImportWork,
  vendor: Extract<Vendor, { variable: string; type: 'openai' | 'anthropic' | 'gemini' }>,
  parameters: Parameters,
): Connection {
  const { values } = parameters
  const base = baseUrlOf(work, parameters)
  const path = vendor.type === 'anthropic' ? '/v1' : ''
  const baseUrl = base?.url.replace(/\/(chat\/completions|v1\/messages|messages)$/, '').replace(/\/v1$/, path === '' ? '/v1' : '')
  const organization = vendor.type === 'openai' && typeof values['organization'] === 'string' ? values['organization'] : undefined
  return {
    draft: {
      type: vendor.type,
      ...(baseUrl === undefined ? {} : { baseUrl: baseUrl.startsWith('${') ? baseUrl : `${baseUrl}${path}` }),
      key: keyOf(work, parameters, vendor.variable),
      ...(organization === undefined
        ? {}
        : { organization: plainText(work, organization, { path: parameters.pathOf('organization') }) }),
    },
    hint: vendor.type,
    used: ['api_key', ...(base === undefined ? [] : [base.member]), ...(organization === undefined ? [] : ['organization'])],
  }
}

function compatible(
  work: ImportWork,
  vendor: Extract<Vendor, { type: 'openai_compatible' }>,
  parameters: Parameters,
): Connection | string {
  const base = baseUrlOf(work, parameters)
  if (base === undefined && PROFILES_WITHOUT_ADDRESS.has(vendor.profile))
    return 'this provider has no address of its own here: give "api_base"'
  const key = parameters.values['api_key']
  const isDummy = typeof key === 'string' && DUMMY_KEY.test(key)
  const isKeyless = isDummy || ((key === undefined || key === null) && vendor.variable === undefined)
  const reference = isKeyless ? undefined : keyOf(work, parameters, vendor.variable ?? 'API_KEY')
  const versioned = vendor.profile === 'ollama' && base !== undefined && !base.url.startsWith('${') && !base.url.endsWith('/v1')
  return {
    draft: {
      type: 'openai_compatible',
      profile: vendor.profile,
      ...(base === undefined ? {} : { baseUrl: versioned ? `${base.url}/v1` : base.url.replace(/\/chat\/completions$/, '') }),
      ...(reference === undefined ? {} : { key: reference }),
    },
    hint: vendor.profile === 'generic' ? hostName(base?.url) : vendor.profile,
    used: ['api_key', ...(base === undefined ? [] : [base.member])],
  }
}

function keyOf(work: ImportWork, { values, pathOf: placeOf }: Parameters, usual: string): string {
  const key = values['api_key']
  if (key === undefined || key === null || key === '') return variable(work, usual, placeOf('model'))
  return secretReference(work, key, { path: placeOf('api_key'), variable: usual })
}

function baseUrlOf(
  work: ImportWork,
  { values, pathOf: placeOf }: Parameters,
): { readonly url: string; readonly member: string } | undefined {
  const member = ['api_base', 'base_url'].find(
    (name) => values[name] !== undefined && values[name] !== null && values[name] !== '',
  )
  if (member === undefined) return undefined
  const url = plainUrl(work, values[member], placeOf(member))
  return url === undefined ? undefined : { url, member }
}

function hostName(url: string | undefined): string {
  return url !== undefined && URL.canParse(url) ? new URL(url).hostname : 'compatible'
}

function azure(work: ImportWork, parameters: Parameters): Connection {
  const { values, pathOf: placeOf } = parameters
  const base = baseUrlOf(work, parameters)
  const version = typeof values['api_version'] === 'string' ? values['api_version'] : undefined
  const isClassic = version !== undefined && !/^(v1|latest|preview)$/.test(version)
  const baseUrl =
    base?.url.replace(/\/openai(\/.*)?$/, '') ??
    plainText(work, 'os.environ/AZURE_API_BASE', { path: placeOf('model'), sample: 'https://set.invalid' })
  const { credentials, used } = azureCredentials(work, parameters)
  return {
    draft: {
      type: 'azure',
      baseUrl,
      ...(isClassic ? { apiVersion: plainText(work, version, { path: placeOf('api_version') }) } : {}),
      credentials,
    },
    hint: base === undefined || !URL.canParse(base.url) ? 'azure' : `azure-${new URL(base.url).hostname.split('.')[0] ?? ''}`,
    used: [...used, 'api_version', ...(base === undefined ? [] : [base.member])],
  }
}

function azureCredentials(
  work: ImportWork,
  { values, pathOf: placeOf }: Parameters,
): { readonly credentials: Draft; readonly used: readonly string[] } {
  const text = (member: string) => plainText(work, textOf(values[member]), { path: placeOf(member) })
  const has = (...members: readonly string[]) => members.every((member) => typeof values[member] === 'string')
  if (has('api_key'))
    return {
      credentials: {
        type: 'key',
        key: secretReference(work, values['api_key'], { path: placeOf('api_key'), variable: 'AZURE_API_KEY' }),
      },
      used: ['api_key'],
    }
  const entra = () => ({ tenantId: text('tenant_id'), clientId: text('client_id') })
  if (has('tenant_id', 'client_id', 'client_secret')) {
    const clientSecret = secretReference(work, values['client_secret'], {
      path: placeOf('client_secret'),
      variable: 'AZURE_CLIENT_SECRET',
    })
    return { credentials: { type: 'entra', ...entra(), clientSecret }, used: ['tenant_id', 'client_id', 'client_secret'] }
  }
  if (has('tenant_id', 'client_id', 'azure_ad_token')) {
    const assertion = secretReference(work, values['azure_ad_token'], {
      path: placeOf('azure_ad_token'),
      variable: 'AZURE_FEDERATED_TOKEN',
    })
    return {
      credentials: { type: 'workload_identity', ...entra(), assertion },
      used: ['tenant_id', 'client_id', 'azure_ad_token'],
    }
  }
  return { credentials: { type: 'key', key: variable(work, 'AZURE_API_KEY', placeOf('model')) }, used: [] }
}

function vertex(work: ImportWork, parameters: Parameters): Connection {
  const { values, pathOf: placeOf } = parameters
  const base = baseUrlOf(work, parameters)
  const project = values['vertex_project']
  const location = values['vertex_location']
  return {
    draft: {
      type: 'vertex',
      project: plainText(work, typeof project === 'string' ? project : 'os.environ/VERTEXAI_PROJECT', {
        path: placeOf('vertex_project'),
      }),
      ...(typeof location === 'string' ? { location: plainText(work, location, { path: placeOf('vertex_location') }) } : {}),
      ...(base === undefined ? {} : { baseUrl: base.url }),
      credentials: googleCredentials(work, values['vertex_credentials'], placeOf('vertex_credentials')),
    },
    hint: 'vertex',
    used: ['vertex_project', 'vertex_location', 'vertex_credentials', ...(base === undefined ? [] : [base.member])],
  }
}

/** A service account: by file, by variable, or as JSON in the source. */
function googleCredentials(work: ImportWork, value: unknown, path: string): Draft {
  if (typeof value === 'string' && /^[^{]*\.json$/.test(value) && !value.startsWith('os.environ/'))
    return { type: 'service_account', key: `file:${value}` }
  if (value !== undefined && value !== null)
    return { type: 'service_account', key: secretReference(work, value, { path, variable: 'GOOGLE_SERVICE_ACCOUNT' }) }
  work.report.approximated(
    path,
    'Google\'s default credentials are not looked for: set GOOGLE_SERVICE_ACCOUNT to the JSON of a key, or write "credentials": { "type": "metadata" }',
  )
  return { type: 'service_account', key: variable(work, 'GOOGLE_SERVICE_ACCOUNT', path) }
}
