import { describe } from './bridge/flight.ts'
import { fetchText, type TextAnswer } from './fetch-text.ts'
import { configPath, readGatewayFile } from './gateway-file.ts'
import type { CliIo } from './io.ts'
import type { Lent } from './lent.ts'

/** Where the admin listener is and who asks. */
export interface AdminOptions {
  readonly config?: string
  /** Admin URL instead of that of the configuration. */
  readonly adminUrl?: string
}

/** The admin API of a running gateway. */
export interface AdminClient {
  readonly url: string
  /** The answer, whatever its status below 500 that is not about the credential. Throws with what to do otherwise. */
  get(path: string, query?: URLSearchParams, headers?: Readonly<Record<string, string>>): Promise<TextAnswer>
}

const TOKEN_VARIABLE = 'TOLLGATE_ADMIN_TOKEN'
const TOKEN_SECONDS = 300

/** Opens the admin API with `TOLLGATE_ADMIN_TOKEN`, or in development mode with a short token of the local issuer. */
export async function openAdminClient(options: AdminOptions, io: CliIo, lent: Pick<Lent, 'development'>): Promise<AdminClient> {
  const path = configPath(options.config, io)
  const url = (options.adminUrl ?? (await readGatewayFile(path, io)).adminUrl).replace(/\/+$/, '')
  const token = await adminToken(path, io, lent)
  return {
    url,
    get: async (route, query, headers = {}) => {
      const target = new URL(`${url}${route}${query === undefined || query.size === 0 ? '' : `?${query.toString()}`}`)
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
      const answer = await ask(target, { accept: 'application/json', ...authorization, ...headers }, io.signal)
      if (answer.status === 401)
        throw new Error(
          `the admin listener at ${url} wants a credential: set ${TOKEN_VARIABLE} to a token or key with the role admin`,
        )
      if (answer.status === 403)
        throw new Error(`the credential may not ask this: it needs the role admin (or a lesser one that allows ${route})`)
      if (answer.status >= 500) throw new Error(`the gateway failed to answer ${route}: HTTP ${answer.status}`)
      return answer
    },
  }
}

/** The credential for the admin listener of a configuration: `TOLLGATE_ADMIN_TOKEN`, else one of the development issuer, else none. */
export async function adminToken(path: string, io: CliIo, lent: Pick<Lent, 'development'>): Promise<string | undefined> {
  const given = io.env[TOKEN_VARIABLE]
  if (given !== undefined && given !== '') return given
  const development = await lent.development(path)
  return development?.mint({ subject: 'tollgate-cli', roles: ['admin'], ttlSeconds: TOKEN_SECONDS })
}

async function ask(target: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<TextAnswer> {
  try {
    return await fetchText(target, { headers, timeoutMs: 15_000, signal })
  } catch (error) {
    throw new Error(
      `no gateway answers at ${target.origin} (${describe(error)}); start it with "npm start" or "tollgate start"`,
      { cause: error },
    )
  }
}
