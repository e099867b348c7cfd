import { GatewayError } from '../core/errors.ts'
import { readLedgerFiles } from '../metering/ledger-files.ts'
import { parseUsageQuery, renderUsage, type UsageFormat } from '../metering/usage-format.ts'
import { answerUsage } from '../metering/usage-runs.ts'
import { fetchText } from './fetch-text.ts'
import { EXIT, type CliIo } from './io.ts'

/** Options of `tollgate usage`. */
export interface UsageOptions {
  /** Dimensions, separated by commas; `team,server` without. */
  readonly by?: string
  /** Start of the range: RFC 3339, a date, or a span back from now such as `7d`. */
  readonly since?: string
  readonly until?: string
  /** Filters such as `team=research`. */
  readonly where?: readonly string[]
  readonly format?: UsageFormat
  /** Read the files in the state folder, whether the gateway runs or not. */
  readonly offline?: boolean
}

/** Where the answer is. `token` is asked only when a gateway is. */
export interface UsageSource {
  readonly adminUrl: string
  readonly stateFolder: string
  token(): Promise<string | undefined>
}

const TIMEOUT_MS = 60_000

/** `tollgate usage`: who called what, how often, how fast and for how much; by session every run with its entries. Asks the running gateway, else reads the files it left. */
export async function usage(options: UsageOptions, source: UsageSource, io: CliIo): Promise<number> {
  try {
    const params = toParams(options)
    const format = options.format ?? 'table'
    // Read here too, so that a mistake is told before anything is asked.
    const query = parseUsageQuery(params, io.now())
    const answer = options.offline === true ? undefined : await askGateway(params, format, source, io)
    if (answer === undefined) {
      io.err(
        `tollgate: read from ${source.stateFolder}${options.offline === true ? '' : ', because no gateway answers at '.concat(source.adminUrl)}\n`,
      )
    }
    const read = () => readLedgerFiles(source.stateFolder, (ledger) => answerUsage(ledger, query))
    io.out(answer ?? renderUsage(await read(), query, format).body)
    return EXIT.ok
  } catch (error) {
    io.err(`tollgate: ${error instanceof Error ? error.message : String(error)}\n`)
    return error instanceof GatewayError && error.code === 'invalid_request' ? EXIT.usage : EXIT.failure
  }
}

function toParams({ by, since, until, where }: UsageOptions): URLSearchParams {
  const params = new URLSearchParams({ by: by ?? 'team,server' })
  if (since !== undefined) params.set('from', since)
  if (until !== undefined) params.set('to', until)
  for (const filter of where ?? []) {
    const place = filter.indexOf('=')
    if (place < 1) throw new GatewayError('invalid_request', `"${filter}" is no filter; write for instance team=research`)
    params.append(filter.slice(0, place), filter.slice(place + 1))
  }
  return params
}

/** The answer of the running gateway; undefined when there is none at that address. */
async function askGateway(
  params: URLSearchParams,
  format: UsageFormat,
  source: UsageSource,
  io: CliIo,
): Promise<string | undefined> {
  const token = await source.token()
  const url = new URL('/admin/v1/usage', source.adminUrl)
  url.search = new URLSearchParams([...params, ['format', format]]).toString()
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  try {
    const { status, body } = await fetchText(url, { headers, timeoutMs: TIMEOUT_MS, signal: io.signal })
    if (status === 200) return body
    throw new Error(refusal(status, source.adminUrl))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return undefined
    throw error
  }
}

function refusal(statusCode: number, adminUrl: string): string {
  if (statusCode === 401)
    return `the gateway at ${adminUrl} asks for a credential with the role admin, auditor or viewer: --token or TOLLGATE_TOKEN; --offline reads the files instead`
  if (statusCode === 403)
    return `the gateway at ${adminUrl} says no: usage needs the role admin, auditor or viewer; --offline reads the files instead`
  return `the gateway at ${adminUrl} answered ${statusCode}; --offline reads the files instead`
}
