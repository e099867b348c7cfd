import type { TraceStep } from '../core/decision.ts'
import { isJsonObject } from '../core/json.ts'
import type { OfferedKind, RuleLocation } from '../core/snapshot.ts'
import type { Explanation } from '../policy/explain.ts'
import { openAdminClient, type AdminOptions } from './admin-client.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'
import { parsePrincipal } from './principal-option.ts'

/** Options of `tollgate explain`: one of principal and token, one of tool, prompt and resource. */
export interface ExplainOptions extends AdminOptions {
  readonly principal?: string
  /** A pasted token; it travels in a header and appears in no log. */
  readonly token?: string
  readonly tool?: string
  readonly prompt?: string
  readonly resource?: string
  readonly catalog?: string
  /** Arguments of the call, as JSON. */
  readonly args?: string
  readonly json?: boolean
}

/** The answer of `GET /admin/v1/explain`. */
export type ExplainAnswer = Explanation & {
  readonly limits?: readonly { readonly label: string; readonly used: number; readonly max: number }[]
}

/** `tollgate explain`: why a caller may or may not use something, and the smallest change that would flip it. */
export async function explain(options: ExplainOptions, io: CliIo, lent: Pick<Lent, 'development'>): Promise<number> {
  const problem = findUsageProblem(options)
  if (problem !== undefined) {
    io.err(`tollgate: ${problem}\n`)
    return EXIT.usage
  }
  const target = targetOf(options)
  const query = new URLSearchParams({ kind: target.kind, name: target.name })
  if (options.catalog !== undefined) query.set('catalog', options.catalog)
  if (options.principal !== undefined) query.set('principal', JSON.stringify(parsePrincipal(options.principal)))
  if (options.args !== undefined) query.set('args', options.args)
  const client = await openAdminClient(options, io, lent)
  const answer = await client.get(
    '/admin/v1/explain',
    query,
    options.token === undefined ? {} : { 'x-tollgate-explain-token': options.token.trim() },
  )
  if (answer.status !== 200)
    throw new Error(`the gateway refused the question: ${messageOf(answer.body) ?? `HTTP ${answer.status}`}`)
  const explanation = JSON.parse(answer.body) as ExplainAnswer // our own gateway's admin API
  io.out(options.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : renderExplanation(explanation, target))
  return EXIT.ok
}

function findUsageProblem({ principal, token, tool, prompt, resource, args }: ExplainOptions): string | undefined {
  if ((principal === undefined) === (token === undefined))
    return 'name the caller: one of --principal team=research,user=ann or --token <token>'
  if ([tool, prompt, resource].filter((name) => name !== undefined).length !== 1)
    return 'name one target: --tool, --prompt or --resource'
  if (args === undefined) return undefined
  try {
    return isJsonObject(JSON.parse(args)) ? undefined : `--args must be a JSON object such as {"path":"/x"}`
  } catch (error) {
    return `--args is not valid JSON: ${error instanceof Error ? error.message : String(error)}`
  }
}

function targetOf({ tool, prompt, resource }: ExplainOptions): { readonly kind: OfferedKind; readonly name: string } {
  if (tool !== undefined) return { kind: 'tool', name: tool }
  return prompt === undefined ? { kind: 'resource', name: resource ?? '' } : { kind: 'prompt', name: prompt }
}

/** The words a terminal shows for an explanation. */
function renderExplanation(answer: ExplainAnswer, target: { readonly kind: OfferedKind; readonly name: string }): string {
  const { item, server } = answer
  const facts: [string, string | undefined][] = [
    ['catalog', answer.catalog],
    ['rule', answer.rule && place(answer.rule)],
    ['item', item && `${item.server}/${item.upstreamName}${item.name === item.upstreamName ? '' : `, shown as ${item.name}`}`],
    ['digest', item && `${item.digest} (as shown ${item.shownDigest})`],
    [
      'server',
      server &&
        `${server.id} is ${server.state}${server.reason === undefined ? '' : `: ${server.reason}`}; circuit ${server.circuit}`,
    ],
    ['listed', answer.listed ? 'yes' : 'no'],
    ['limits', answer.limits?.map(({ label, used, max }) => `${label} ${used} of ${max}`).join('; ') || undefined],
    ['revision', answer.revision],
  ]
  const lines = [
    `${answer.outcome.toUpperCase()} ${target.kind} ${target.name}: ${answer.reason}`,
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(9)} ${value}`])),
    '',
    'trace',
    ...answer.trace.map(traceLine),
    '',
    `change    ${answer.change}`,
  ]
  return `${lines.map(printable).join('\n')}\n`
}

function traceLine({ outcome, step, message, rule }: TraceStep): string {
  return `  ${outcome.padEnd(4)} ${step.padEnd(9)} ${message}${rule === undefined ? '' : ` (${place(rule)})`}`
}

function place({ file, line, column, path }: RuleLocation): string {
  return `${file}:${line}:${column} ${path}`
}

/** Names come from upstream servers: nothing in them may move the cursor of a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}|\p{Cf}|\u2028|\u2029/gu, '\uFFFD')
}

/** The words of a problem document (RFC 9457). */
function messageOf(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isJsonObject(value) && typeof value['detail'] === 'string' ? value['detail'] : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
