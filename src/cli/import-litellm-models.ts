// `model_list` of LiteLLM: each row is a deployment, which becomes a target; rows of one name are a group, which becomes a route.
import { toConnection } from './import-litellm-connection.ts'
import { priceRowOf, PRICE_MEMBER } from './import-litellm-prices.ts'
import { explainMembers, pathOf } from './import-report.ts'
import { LITELLM_VENDORS, type Vendor } from './import-vendors.ts'
import { addProvider, asObject, type ImportWork, isSecretName, numberOf, plainJson, textsIn, textOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** One row of `model_list` as a target, with what its group decides about. */
export interface Deployment {
  readonly path: string
  readonly group: string
  readonly vendor: string
  readonly provider: string
  /** Provider, model, region, params and the like: what stands in `targets`, without weight and tier. */
  readonly target: Draft
  /** Members the group looks at: weight, rpm, tpm, order, timeouts, tags. */
  readonly hints: Draft
  readonly info: Draft
}

/** A row of `model_list`, and where it stands. */
export interface ModelRow {
  readonly path: string
  readonly row: Draft
}

/** Named credentials of `credential_list`, and where each stands. */
export type Credentials = ReadonlyMap<string, { readonly path: string; readonly values: Draft }>

const HINTS = new Set(['weight', 'rpm', 'tpm', 'order', 'timeout', 'stream_timeout', 'tags', 'max_parallel_requests'])
const HEADERS = new Set(['extra_headers', 'headers', 'default_headers'])

const REASONS: Readonly<Record<string, string>> = {
  itpm: 'limits count tokens in and out together: write "tokensPerMinute"',
  otpm: 'limits count tokens in and out together: write "tokensPerMinute"',
  max_retries: 'retries belong to the route: "retries"',
  keepalive_seconds: 'connections are kept open as long as the provider allows',
  max_budget: 'budgets belong to catalogs, not to targets',
  budget_duration: 'budgets belong to catalogs, not to targets',
  default_api_key_tpm_limit: 'limits belong to catalogs: write "limits" there',
  default_api_key_rpm_limit: 'limits belong to catalogs: write "limits" there',
  silent_model: 'requests are not mirrored; a target with "canary" takes a share of them instead',
  configurable_clientside_auth_params: 'callers never choose where a request goes or what signs it',
  aws_profile_name: 'profiles of the AWS command line are not read: give keys or a role',
  aws_session_tags: 'roles are assumed without session tags',
  azure_scope: 'the scope of Azure OpenAI is fixed',
  azure_username: "a user's password is no credential of a service: use a client secret or a federated token",
  azure_password: "a user's password is no credential of a service: use a client secret or a federated token",
  mock_response: 'requests are always answered by a model',
  drop_params: '~what a target cannot express is dropped and named in X-Tollgate-Dropped, unless the route says "strict"',
  additional_drop_params: 'parameters are dropped where the provider is known not to take them',
  use_in_pass_through: 'there are no pass-through doors',
  use_litellm_proxy: 'there is no other proxy in between',
  merge_reasoning_content_in_choices: 'reasoning stays where the dialect has a place for it',
}

const INFO_REASONS: Readonly<Record<string, string>> = {
  id: 'targets are known by provider, model and region',
  db_model: 'where a model was stored says nothing here',
  max_input_tokens: 'known from the price table',
  max_output_tokens: 'known from the price table',
  max_tokens: 'known from the price table',
  tier: 'there are no paid and free tiers of targets; use catalogs',
  discoverable: 'a model that is granted is listed',
  access_windows: 'write the hours as "when" of the route, for instance time.getHours("Europe/Berlin") >= 8',
  ptu_count: 'provisioned throughput is not priced; write a price row with zero and count it elsewhere',
  cost_per_ptu_per_hour: 'provisioned throughput is not priced; write a price row with zero and count it elsewhere',
  allowed_fails: '~the breaker opens at 5 failures that are half of what ended in 10 seconds; it is not set',
  allowed_fails_policy: '~the breaker counts upstream faults only; which is not set',
  cooldown_time: '~the breaker is open for 5 seconds, doubling to 60; it is not set',
  litellm_provider: 'said by the model',
  key: 'said by the model',
}
const KNOWN_INFO = new Set(['mode', 'base_model', 'access_groups', 'team_id', 'team_public_model_name', 'blocked'])
const MODES = new Set(['chat', 'completion', 'responses', 'embedding'])

/** Turns rows into targets and their providers; rows that cannot be reached from here are reported. */
export function toDeployments(work: ImportWork, rows: readonly ModelRow[], credentials: Credentials): Deployment[] {
  return rows.flatMap((row) => toDeployment(work, row, credentials) ?? [])
}

type Understood = {
  readonly group: string
  readonly own: Draft
  readonly info: Draft
  readonly named: Named
  readonly credential: { readonly path: string; readonly values: Draft } | undefined
}

/** What a row says, as far as it can be served from here; nothing, with a reason in the report, when it cannot. */
function understand(work: ImportWork, { path, row }: ModelRow, credentials: Credentials): Understood | undefined {
  const own = asObject(row['litellm_params'])
  const info = asObject(row['model_info'])
  const { model_name: group, litellm_params: _params, model_info: _info, ...rest } = row
  explainMembers(work.report, { path, members: Object.keys(rest) }, {})
  if (typeof group !== 'string' || typeof own['model'] !== 'string')
    return refuse(work, path, 'a row needs "model_name" and "litellm_params.model"')
  const named = resolveVendor(own, own['model'])
  if (typeof named === 'string') return refuse(work, path, named)
  const mode = info['mode']
  if (typeof mode === 'string' && !MODES.has(mode))
    return refuse(work, path, `models of mode ${mode} are not served; chat, responses and embedding are`)
  const credential = credentials.get(textOf(own['litellm_credential_name']))
  if (own['litellm_credential_name'] !== undefined && credential === undefined)
    return refuse(work, path, 'its "litellm_credential_name" is not in "credential_list"')
  return { group, own, info, named, credential }
}

function toDeployment(work: ImportWork, { path, row }: ModelRow, credentials: Credentials): Deployment | undefined {
  const understood = understand(work, { path, row }, credentials)
  if (understood === undefined) return undefined
  const { group, own, info, named, credential } = understood
  const place = pathOf(path, 'litellm_params')
  const values = { ...credential?.values, ...own }
  const parameters = {
    values,
    pathOf: (member: string) =>
      credential !== undefined && own[member] === undefined && credential.values[member] !== undefined
        ? pathOf(credential.path, member)
        : pathOf(place, member),
  }
  const connection = toConnection(work, named.vendor, parameters)
  if (typeof connection === 'string') return refuse(work, path, connection)
  const provider = addProvider(work, connection.draft, connection.hint)
  for (const member of connection.used)
    if (own[member] !== undefined) work.report.imported(pathOf(place, member), `providers.${provider}`)
  if (credential !== undefined) work.report.imported(pathOf(place, 'litellm_credential_name'), `providers.${provider}`)
  const handled = new Set([
    ...connection.used,
    'model',
    'custom_llm_provider',
    'litellm_credential_name',
    'region_name',
    ...HINTS,
    ...HEADERS,
  ])
  const params = defaultsOf(work, own, { place, handled })
  if (group.includes('*')) return wildcard(work, path, { group, provider })
  work.report.imported(pathOf(place, 'model'), `target of providers.${provider}`)
  if (own['custom_llm_provider'] !== undefined)
    work.report.imported(pathOf(place, 'custom_llm_provider'), `providers.${provider}`)
  const base = baseModel(info)
  const region = regionOf(work, values, { place, vendor: named.vendor })
  const target = {
    provider,
    model: named.model,
    ...(region === undefined ? {} : { region }),
    ...(info['blocked'] === true ? { enabled: false } : {}),
    ...(Object.keys(params).length === 0 ? {} : { params }),
    ...(base === undefined ? {} : { priceAs: base }),
    ...(named.isResponses ? { wire: 'responses' } : {}),
  }
  explainInfo(work, pathOf(path, 'model_info'), info)
  priceRowOf(work, { path: place, values: own, vendor: named.vendor, model: base ?? named.model })
  priceRowOf(work, { path: pathOf(path, 'model_info'), values: info, vendor: named.vendor, model: base ?? named.model })
  return { path, group, vendor: named.name, provider, target, hints: own, info }
}

function refuse(work: ImportWork, path: string, reason: string): undefined {
  work.report.skipped(path, reason)
}

function wildcard(
  work: ImportWork,
  path: string,
  { group, provider }: { readonly group: string; readonly provider: string },
): undefined {
  work.report.skipped(
    path,
    `"${group}" stands for any model: routes have one name each. The provider is there; write a route per model you use, { "targets": [{ "provider": "${provider}", "model": "..." }] }, or pass the answer of /model/info with --models`,
  )
}

type Named = { readonly name: string; readonly vendor: Vendor; readonly model: string; readonly isResponses: boolean }

function resolveVendor(own: Draft, written: string): Named | string {
  if (written.startsWith('os.environ/')) return 'its model stands in an environment variable: write the name'
  const slash = written.indexOf('/')
  const prefix = written.slice(0, Math.max(0, slash))
  const custom = own['custom_llm_provider']
  const isPrefixed = Object.hasOwn(LITELLM_VENDORS, prefix)
  const name = typeof custom === 'string' ? custom : isPrefixed ? prefix : slash < 0 ? inferred(written) : prefix
  const vendor = Object.hasOwn(LITELLM_VENDORS, name) ? LITELLM_VENDORS[name] : undefined
  if (vendor === undefined) return `there is no provider "${name}" here; if it speaks the OpenAI protocol, use openai_compatible`
  const rest = isPrefixed && (custom === undefined || custom === prefix) ? written.slice(slash + 1) : written
  const isResponses = (name === 'openai' || name === 'azure') && rest.startsWith('responses/')
  const model = cleaned(vendor, isResponses ? rest.slice('responses/'.length) : rest)
  const base = own['api_base'] ?? own['base_url']
  const isElsewhere =
    vendor.type === 'openai' &&
    typeof base === 'string' &&
    !base.startsWith('os.environ/') &&
    !/^https:\/\/[\w.-]*openai\.com\b/.test(base)
  return {
    name,
    vendor: isElsewhere ? { type: 'openai_compatible', profile: 'generic', variable: 'OPENAI_API_KEY' } : vendor,
    model,
    isResponses: isResponses && !isElsewhere,
  }
}

/** LiteLLM puts the road into the name of some models. */
function cleaned(vendor: Vendor, model: string): string {
  if (vendor.type === 'bedrock')
    return model.replace(/^(converse|invoke|converse_like)\//, '').replace(/^[a-z]{2}(-gov)?-[a-z]+-\d\//, '')
  return vendor.type === 'azure' ? model.replace(/^(gpt5_series|o_series)\//, '') : model
}

function inferred(model: string): string {
  if (model.startsWith('claude')) return 'anthropic'
  if (model.startsWith('gemini')) return 'vertex_ai'
  if (/^(anthropic|amazon|meta|mistral|cohere|ai21)\.|^(us|eu|apac)\./.test(model)) return 'bedrock'
  return model.startsWith('command') ? 'cohere' : 'openai'
}

function baseModel(info: Draft): string | undefined {
  const base = info['base_model']
  if (typeof base !== 'string' || base === '') return undefined
  const slash = base.indexOf('/')
  return Object.hasOwn(LITELLM_VENDORS, base.slice(0, Math.max(0, slash))) ? base.slice(slash + 1) : base
}

function regionOf(
  work: ImportWork,
  values: Draft,
  { place, vendor }: { readonly place: string; readonly vendor: Vendor },
): string | undefined {
  const label = values['region_name']
  const called =
    vendor.type === 'bedrock' ? values['aws_region_name'] : vendor.type === 'vertex' ? values['vertex_location'] : undefined
  if (vendor.type === 'bedrock' || vendor.type === 'vertex') {
    if (label !== undefined)
      work.report.skipped(
        pathOf(place, 'region_name'),
        'Bedrock and Vertex call the region of a target: the one that is called stands there',
      )
    return typeof called === 'string' && /^[a-z0-9][a-z0-9-]{0,31}$/.test(called) ? called : undefined
  }
  if (label === undefined || label === null) return undefined
  const region = textOf(label).toLowerCase()
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(region)) return refuse(work, pathOf(place, 'region_name'), 'not the name of a region')
  work.report.imported(pathOf(place, 'region_name'), '"region" of the target')
  return region
}

/** Members LiteLLM forwards as defaults of the request. */
function defaultsOf(
  work: ImportWork,
  own: Draft,
  { place, handled }: { readonly place: string; readonly handled: ReadonlySet<string> },
): Draft {
  const params: Draft = {}
  const rest = Object.keys(own).filter((key) => !handled.has(key) && !PRICE_MEMBER.test(key) && own[key] !== null)
  explainMembers(work.report, { path: place, members: rest.filter((key) => Object.hasOwn(REASONS, key)) }, REASONS)
  for (const member of rest.filter((key) => !Object.hasOwn(REASONS, key))) {
    const path = pathOf(place, member)
    if (CONNECTION_MEMBER.test(member) || isSecretName(member)) {
      work.report.skipped(path, 'it says nothing to this kind of provider')
      continue
    }
    const value = plainJson(work, own[member], path)
    if (value === undefined) continue
    params[member] = value
    work.report.imported(path, '"params" of the target: sent when the caller does not send it')
  }
  return params
}

const CONNECTION_MEMBER =
  /^(api_(key|base|version)|base_url|organization|aws_.*|vertex_.*|azure_.*|tenant_id|client_id|client_secret)$/

function explainInfo(work: ImportWork, path: string, info: Draft): void {
  for (const member of Object.keys(info)) {
    const place = pathOf(path, member)
    if (PRICE_MEMBER.test(member) || info[member] === null) continue
    if (member === 'base_model') work.report.imported(place, '"priceAs" of the target')
    else if (member === 'blocked') work.report.imported(place, '"enabled" of the target')
    else if (member === 'mode') work.report.imported(place, 'a route serves every door')
    else if (member.startsWith('supports_')) work.report.skipped(place, 'what a model can do is known from the price table')
    else if (!KNOWN_INFO.has(member)) explainMembers(work.report, { path, members: [member] }, INFO_REASONS)
  }
}

/** Names of the groups a deployment may be reached through, besides its own. */
export function accessGroupsOf({ info }: Deployment): string[] {
  return textsIn(info['access_groups'])
}

/** A number among the hints of a deployment. */
export function hintOf({ hints }: Deployment, member: string): number | undefined {
  return numberOf(hints[member])
}
