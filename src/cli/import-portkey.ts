// A Portkey config as one route. Slugs of its Model Catalog stand for connections only Portkey knows: the operator says what they are.
import { parametersAt, type Parameters } from './import-connection.ts'
import { toConnection } from './import-litellm-connection.ts'
import { flatten, isBalanced, isSticky, type Leaf } from './import-portkey-targets.ts'
import { explainMembers, pathOf } from './import-report.ts'
import { PORTKEY_VENDORS } from './import-vendors.ts'
import {
  addProvider,
  asList,
  asObject,
  createWork,
  type ImportWork,
  numberOf,
  plainJson,
  plainText,
  toModelName,
  textOf,
} from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** A config, what its slugs stand for (the id of a provider, or a provider), and the model name callers will use. */
export interface PortkeySource {
  readonly config: unknown
  readonly slugs: Draft
  readonly route: string
}

const GUARD = 'needs review: write a guard under "guards" and name it in the catalogs, or use "baseline"'
const CACHE = 'answers are not cached; "sticky" keeps the prompt cache of the provider warm'
const REASONS: Readonly<Record<string, string>> = {
  cache: CACHE,
  input_guardrails: GUARD,
  output_guardrails: GUARD,
  guardrails: GUARD,
  before_request_hooks: GUARD,
  after_request_hooks: GUARD,
  input_mutators: GUARD,
  output_mutators: GUARD,
  drop_params: 'what a target cannot express is dropped and named in X-Tollgate-Dropped; single parameters are not',
  forward_headers: 'headers of callers are not passed on to providers',
  passthrough: 'there are no pass-through doors',
  strict_open_ai_compliance: '~every door answers in its own dialect, whole',
  metadata: 'labels stand in catalogs',
  override_params: '~"params" of the targets: sent when the caller does not send them, where Portkey always sends them',
  default_params: '"params" of the targets',
  mcp_url: 'register MCP servers with tollgate import mcp-json',
}
const HANDLED = new Set([
  'strategy',
  'targets',
  'weight',
  'name',
  'provider',
  'virtual_key',
  'retry',
  'request_timeout',
  'default_params',
])

/** Names of vendor blocks, and what the connection calls them. */
const CONNECTION: Readonly<Record<string, string>> = {
  api_key: 'api_key',
  custom_host: 'api_base',
  openai_organization: 'organization',
  openai_project: 'project',
  aws_access_key_id: 'aws_access_key_id',
  aws_secret_access_key: 'aws_secret_access_key',
  aws_session_token: 'aws_session_token',
  aws_region: 'aws_region_name',
  aws_role_arn: 'aws_role_name',
  aws_external_id: 'aws_external_id',
  vertex_project_id: 'vertex_project',
  vertex_region: 'vertex_location',
  vertex_service_account_json: 'vertex_credentials',
  api_version: 'api_version',
  azure_api_version: 'api_version',
  azure_api_key: 'api_key',
  azure_entra_tenant_id: 'tenant_id',
  azure_entra_client_id: 'client_id',
  azure_entra_client_secret: 'client_secret',
  azure_ad_token: 'azure_ad_token',
}

/** Turns a Portkey config into a route with its providers and a catalog that grants it. */
export function convertPortkey({ config, slugs, route }: PortkeySource): ImportWork {
  const work = createWork()
  const root = unwrap(config)
  explainTree(work, root, '')
  const leaves = flatten(work.report, root)
  const name = toModelName(route)
  const found = leaves.flatMap((leaf) => toTarget(work, leaf, { slugs, route: name }) ?? [])
  const targets = withoutTwins(work, found)
  if (targets.length === 0) return work
  const isWeighted = isBalanced(root)
  work.routes.set(name, {
    ...(isWeighted ? { strategy: targets.every(({ weight }) => weight === 0) ? 'ordered' : 'weighted' } : {}),
    ...(isSticky(root) ? { sticky: true } : {}),
    targets: targets.map(({ target, weight, tier }) => ({
      ...target,
      ...(isWeighted && weight !== 1 ? { weight: Math.round(weight * 10_000) / 10_000 } : {}),
      ...(tier === 1 ? {} : { tier }),
    })),
    ...clocksOf(leaves),
    ...retriesOf(leaves),
  })
  work.catalogs.set('portkey', { title: 'Imported from Portkey', for: {}, models: [{ route: name }] })
  work.report.approximated(
    '$',
    `callers name the model "${name}" (--route) instead of sending a config; every caller may use it (catalogs/portkey.json): narrow "for"`,
  )
  return work
}

/** The config itself, also when it stands in an answer of the API or as text. */
function unwrap(config: unknown): Draft {
  const outer = asObject(config)
  const inner = asObject(outer['data'])['config'] ?? outer['config']
  if (inner === undefined || outer['targets'] !== undefined || outer['strategy'] !== undefined) return outer
  if (typeof inner !== 'string') return asObject(inner)
  try {
    return asObject(JSON.parse(inner))
  } catch {
    return {} // nothing to import is said with the report
  }
}

function explainTree(work: ImportWork, node: Draft, path: string): void {
  const rest = Object.keys(node).filter(
    (member) =>
      !HANDLED.has(member) &&
      !Object.hasOwn(CONNECTION, member) &&
      !['resource_name', 'deployment_id', 'override_params'].includes(member),
  )
  explainMembers(work.report, { path, members: rest }, REASONS)
  const overridden = Object.keys(asObject(node['override_params']))
  for (const member of overridden) {
    const place = pathOf(pathOf(path, 'override_params'), member)
    if (member === 'model') work.report.imported(place, '"model" of the targets')
    else work.report.approximated(place, textOf(REASONS['override_params']).slice(1))
  }
  for (const member of Object.keys(asObject(node['default_params'])))
    work.report.imported(pathOf(pathOf(path, 'default_params'), member), '"params" of the targets')
  if (node['request_timeout'] !== undefined)
    work.report.approximated(
      pathOf(path, 'request_timeout'),
      '"clocks.totalMs" of the route: all attempts together, the longest of the tree',
    )
  for (const member of Object.keys(asObject(node['retry']))) {
    const place = pathOf(pathOf(path, 'retry'), member)
    if (member === 'attempts') work.report.approximated(place, '"retries" of the route: over all its targets')
    else if (member === 'on_status_codes')
      work.report.approximated(place, 'upstream faults and 429 are retried; which codes is not set')
    else if (/^use_retry_after_headers?$/.test(member))
      work.report.approximated(place, 'a target that says Retry-After rests that long, and the next one is tried')
    else explainMembers(work.report, { path: pathOf(path, 'retry'), members: [member] }, {})
  }
  for (const [index, target] of asList(node['targets']).entries())
    explainTree(work, asObject(target), pathOf(pathOf(path, 'targets'), index))
}

type Placed = { readonly target: Draft; readonly weight: number; readonly tier: number; readonly path: string }
type Context = { readonly slugs: Draft; readonly route: string }

function toTarget(work: ImportWork, leaf: Leaf, { slugs, route }: Context): Placed | undefined {
  const { members, path } = leaf
  const override = asObject(members['override_params'])
  const [slugged, written] = splitModel(override['model'] ?? members['deployment_id'])
  const provider = providerOf(work, leaf, { slugs, slugged })
  if (provider === undefined) return undefined
  if (written === undefined)
    work.report.approximated(path, `no model is written, and Portkey passes on the caller's: the model is "${route}"`)
  if (members['deployment_id'] !== undefined) work.report.imported(pathOf(path, 'deployment_id'), '"model" of the target')
  const { model: _model, ...forced } = override
  const params = paramsOf(work, { ...asObject(members['default_params']), ...forced }, path)
  const when = leaf.when.length === 0 ? undefined : leaf.when.join(' && ').replaceAll('${', '$${')
  return {
    path,
    weight: leaf.weight,
    tier: Math.min(100, leaf.tier),
    target: {
      provider,
      model: plainText(work, written ?? route, { path }).slice(0, 256),
      ...(when === undefined ? {} : { when }),
      ...(Object.keys(params).length === 0 ? {} : { params }),
    },
  }
}

/** `@slug/model` names both. */
function splitModel(value: unknown): readonly [slug: string | undefined, model: string | undefined] {
  if (typeof value !== 'string' || value === '') return [undefined, undefined]
  const [, slug, model] = /^@([^/]+)\/(.+)$/s.exec(value) ?? []
  return slug === undefined ? [undefined, value] : [slug, model]
}

function paramsOf(work: ImportWork, values: Draft, path: string): Draft {
  return Object.fromEntries(
    Object.entries(values).flatMap(([member, value]) => {
      const written = value === null ? undefined : plainJson(work, value, pathOf(path, member))
      return written === undefined ? [] : [[member, written]]
    }),
  )
}

function providerOf(
  work: ImportWork,
  { members, path }: Leaf,
  { slugs, slugged }: { readonly slugs: Draft; readonly slugged: string | undefined },
): string | undefined {
  const named = members['provider']
  const slug = slugged ?? (typeof named === 'string' && named.startsWith('@') ? named.slice(1) : members['virtual_key'])
  if (slugged !== undefined) {
    for (const member of ['provider', 'virtual_key'])
      if (members[member] !== undefined) work.report.skipped(pathOf(path, member), 'the model names a slug, and that one is used')
  }
  if (typeof slug === 'string') return fromSlug(work, path, { slug, slugs, members })
  const vendor = typeof named === 'string' && Object.hasOwn(PORTKEY_VENDORS, named) ? PORTKEY_VENDORS[named] : undefined
  if (vendor === undefined) {
    work.report.skipped(
      path,
      typeof named === 'string'
        ? `there is no provider "${named}" here; if it speaks the OpenAI protocol, use openai_compatible`
        : 'it names no provider',
    )
    return undefined
  }
  const parameters = vendorParameters(members, path)
  const connection = toConnection(work, vendor, parameters)
  if (typeof connection === 'string') {
    work.report.skipped(path, connection.replace('"api_base"', '"custom_host"'))
    return undefined
  }
  const project =
    vendor.type === 'openai' && typeof members['openai_project'] === 'string'
      ? { project: plainText(work, members['openai_project'], { path }) }
      : {}
  const id = addProvider(work, { ...connection.draft, ...project }, connection.hint)
  work.report.imported(pathOf(path, 'provider'), `providers.${id}`)
  for (const member of Object.keys(members)) {
    const name = member === 'resource_name' ? 'api_base' : CONNECTION[member]
    if (name === undefined) continue
    if (connection.used.includes(name) || name === 'project') work.report.imported(pathOf(path, member), `providers.${id}`)
    else work.report.skipped(pathOf(path, member), 'it says nothing to this kind of provider')
  }
  return id
}

type Slug = { readonly slug: string; readonly slugs: Draft; readonly members: Draft }

function fromSlug(work: ImportWork, path: string, { slug, slugs, members }: Slug): string | undefined {
  const mapped = slugs[slug] ?? slugs[`@${slug}`]
  const member = ['provider', 'virtual_key'].find((one) => members[one] === slug || members[one] === `@${slug}`)
  const place = member === undefined ? pathOf(pathOf(path, 'override_params'), 'model') : pathOf(path, member)
  for (const said of Object.keys(members))
    if (Object.hasOwn(CONNECTION, said)) work.report.skipped(pathOf(path, said), 'the provider the slug stands for says it')
  if (typeof mapped === 'string') {
    work.report.imported(place, `providers.${mapped}, as --providers says`)
    return mapped
  }
  if (mapped !== undefined) {
    const id = addProvider(work, asObject(mapped), slug)
    work.report.imported(place, `providers.${id}, as --providers says`)
    return id
  }
  if (!work.missing.includes(`@${slug}`)) work.missing.push(`@${slug}`)
  work.report.skipped(place, 'what this slug stands for is known to Portkey only: say it with --providers')
  return undefined
}

function vendorParameters(members: Draft, path: string): Parameters {
  const names = new Map<string, string>()
  const values: Draft = {}
  for (const [member, name] of Object.entries(CONNECTION)) {
    if (members[member] === undefined || members[member] === null) continue
    values[name] = members[member]
    names.set(name, member)
  }
  const resource = members['resource_name']
  if (typeof resource === 'string' && values['api_base'] === undefined) {
    values['api_base'] = `https://${resource}.openai.azure.com`
    names.set('api_base', 'resource_name')
  }
  return { ...parametersAt(values, path), pathOf: (member) => pathOf(path, names.get(member) ?? member) }
}

/** State is kept per provider and model: the same one twice is one target, with both shares. */
function withoutTwins(work: ImportWork, placed: readonly Placed[]): Placed[] {
  const targets = new Map<string, Placed>()
  for (const one of placed) {
    const key = JSON.stringify([one.target['provider'], one.target['model']])
    const known = targets.get(key)
    if (known === undefined) targets.set(key, one)
    else {
      work.report.approximated(
        one.path,
        'the same provider and model stands in the config before: one target, where it stands first',
      )
      const { when: _when, ...always } = known.target
      const isSame = known.target['when'] === one.target['when']
      const either =
        known.target['when'] === undefined || one.target['when'] === undefined
          ? {}
          : { when: `(${textOf(known.target['when'])}) || (${textOf(one.target['when'])})` }
      targets.set(key, {
        ...known,
        target: isSame ? known.target : { ...always, ...either },
        weight: known.tier === one.tier ? known.weight + one.weight : known.weight,
      })
    }
  }
  return [...targets.values()].slice(0, 64)
}

function clocksOf(leaves: readonly Leaf[]): Draft {
  const longest = Math.max(0, ...leaves.map(({ members }) => numberOf(members['request_timeout']) ?? 0))
  return longest > 0 ? { clocks: { totalMs: Math.min(86_400_000, Math.max(10, Math.round(longest))) } } : {}
}

/** As many attempts as the most of any target, and one more per tier, so that every fallback is reached. */
function retriesOf(leaves: readonly Leaf[]): Draft {
  const tiers = Math.max(1, ...leaves.map(({ tier }) => tier)) - 1
  const written = leaves.flatMap(({ members }) => numberOf(asObject(members['retry'])['attempts']) ?? [])
  if (written.length === 0 && tiers === 0) return {}
  return { retries: Math.min(10, Math.max(0, ...written.map(Math.round)) + Math.max(tiers, written.length === 0 ? 2 : 0)) }
}
