import { type Provider, Provider as ProviderSchema } from '../config/provider.ts'
import { type Route, Route as RouteSchema } from '../config/route.ts'
import type { ConfigFiles } from '../config/load.ts'
import type { Located } from '../config/read-file.ts'
import type { Environment } from '../config/interpolate.ts'
import { digestOf } from '../lib/canonical-json.ts'
import type { BoundedFetch } from '../lib/egress.ts'

/** Providers and routes that this machine has beside what the files say. */
export interface LocalModels {
  readonly providers: Readonly<Record<string, Provider>>
  readonly routes: Readonly<Record<string, Route>>
}

/** Keys that are looked for, and the models that are offered with them. */
const KEYED = [
  { variable: 'OPENAI_API_KEY', type: 'openai', models: ['gpt-5-mini', 'gpt-4o-mini'] },
  { variable: 'ANTHROPIC_API_KEY', type: 'anthropic', models: ['claude-sonnet-4-5', 'claude-haiku-4-5'] },
  { variable: 'GEMINI_API_KEY', type: 'gemini', models: ['gemini-2.5-flash', 'gemini-2.5-pro'] },
] as const
const OLLAMA = 'http://127.0.0.1:11434'
const PROBE_MS = 300
const MAX_TAGS_BYTES = 1_048_576
const MAX_MODELS = 20

/** Looks for keys in the environment and for an Ollama on this machine. For development mode: a server says in its files what it offers. */
export async function findLocalModels(env: Environment, fetch: BoundedFetch): Promise<LocalModels> {
  const providers: Record<string, Provider> = {}
  const routes: Record<string, Route> = {}
  for (const { variable, type, models } of KEYED) {
    if ((env[variable] ?? '') === '') continue
    providers[type] = ProviderSchema.parse({ type, key: `env:${variable}` })
    for (const model of models) routes[model] = toRoute(type, model)
  }
  const local = await ollamaModels(fetch)
  if (local.length > 0) providers['ollama'] = ProviderSchema.parse({ type: 'openai_compatible', profile: 'ollama' })
  for (const model of local) routes[model] = toRoute('ollama', model)
  return { providers, routes }
}

/** The files with these models added for every catalog. What a file already says stays as it says. */
export function withLocalModels(files: ConfigFiles, local: LocalModels): ConfigFiles {
  const { gateway } = files
  if (gateway === undefined || Object.keys(local.routes).length === 0) return files
  const providers = { ...local.providers, ...gateway.value.providers }
  const routes = { ...local.routes, ...gateway.value.routes }
  const added = Object.keys(local.routes)
  return {
    ...files,
    gateway: changed(gateway, { ...gateway.value, providers, routes }),
    catalogs: new Map(
      [...files.catalogs].map(([id, catalog]) => {
        const known = new Set(catalog.value.models.flatMap(({ route, as }) => [route, as ?? route]))
        const models = added.filter((route) => !known.has(route)).map((route) => ({ route, enabled: true }))
        return [id, changed(catalog, { ...catalog.value, models: [...catalog.value.models, ...models] })]
      }),
    ),
  }
}

function changed<Value>(file: Located<Value>, value: Value): Located<Value> {
  return { ...file, value, digest: digestOf([file.digest, JSON.stringify(value)]) }
}

function toRoute(provider: string, model: string): Route {
  return RouteSchema.parse({ targets: [{ provider, model }] })
}

/** Names of the models an Ollama on this machine has; none when there is no Ollama. */
async function ollamaModels(fetch: BoundedFetch): Promise<string[]> {
  try {
    const { status, body } = await fetch(`${OLLAMA}/api/tags`, { timeoutMs: PROBE_MS, maxBytes: MAX_TAGS_BYTES })
    const json: unknown = status === 200 ? JSON.parse(body.toString('utf8')) : undefined
    const models = typeof json === 'object' && json !== null && 'models' in json && Array.isArray(json.models) ? json.models : []
    return models.flatMap((model: unknown) => nameOf(model)).slice(0, MAX_MODELS)
  } catch {
    return [] // nobody listens there, or something that is no Ollama
  }
}

function nameOf(model: unknown): string[] {
  const name = typeof model === 'object' && model !== null && 'name' in model ? model.name : undefined
  return typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/.test(name) ? [name] : []
}
