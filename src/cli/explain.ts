import type { TraceStep } from '../core/decision.ts'
import { isJsonObject } from '../core/json.ts'
import type { ItemKind, RuleLocation } from '../core/snapshot.ts'
import type { Explanation } from '../policy/explain.ts'
import { openAdminClient, type AdminClient, type AdminOptions } from './admin-client.ts'
import { renderConsidered, renderExchange, type ExchangeAnswer } from './explain-exchange.ts'
import type { TextAnswer } from './fetch-text.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'
import { parsePrincipal } from './principal-option.ts'
import { printable } from '../lib/printable.ts'

/** Options of `tollgate explain`: an exchange; or one of principal and token, and one of tool, prompt, resource and model. */
export interface ExplainOptions extends AdminOptions {
  readonly principal?: string
  /** A pasted token; it travels in a header and appears in no log. */
  readonly token?: string
  readonly tool?: string
  readonly prompt?: string
  readonly resource?: string
  readonly model?: string
  readonly catalog?: string
  /** The run, as its caller names it. */
  readonly session?: string
  /** Arguments of the call, as JSON. */
  readonly args?: string
  /** Facts of a model request, as JSON. */
  readonly request?: string
  /** The `X-Tollgate-Request-Id` of an answer. */
  readonly exchange?: string
  readonly json?: boolean
}

interface BudgetReading {
  readonly label: string
  readonly usd: string
  readonly spentUsd?: string
  readonly reservedUsd?: string
}

/** The answer of `GET /admin/v1/explain`. */
export type ExplainAnswer = Explanation & {
  readonly limits?: readonly { readonly label: string; readonly used: number; readonly max: number }[]
  readonly budgets?: readonly BudgetReading[]
  /** What routing would consider, for a model. */
  readonly targets?: readonly unknown[]
}

/** `tollgate explain`: why a caller may or may not use something, and the smallest change that would flip it. */
export async function explain(options: ExplainOptions, io: CliIo, lent: Pick<Lent, 'development'>): Promise<number> {
  const problem = findUsageProblem(options)
  if (problem !== undefined) {
    io.err(`tollgate: ${problem}\n`)
    return EXIT.usage
  }
  const client = await openAdminClient(options, io, lent)
  if (options.exchange !== undefined)
    return await explainExchange(options.exchange, client, { io, isJson: options.json === true })
  const target = targetOf(options)
  const query = new URLSearchParams({ kind: target.kind, name: target.name })
  if (options.catalog !== undefined) query.set('catalog', options.catalog)
  if (options.session !== undefined) query.set('session', options.session)
  if (options.principal !== undefined) query.set('principal', JSON.stringify(parsePrincipal(options.principal)))
  if (options.args !== undefined) query.set('args', options.args)
  if (options.request !== undefined) query.set('request', options.request)
  const token = options.token === undefined ? {} : { 'x-tollgate-explain-token': options.token.trim() }
  const answer = await client.get('/admin/v1/explain', query, token)
  const explanation = JSON.parse(accepted(answer)) as ExplainAnswer // our own gateway's admin API
  io.out(options.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : renderExplanation(explanation, target))
  return EXIT.ok
}

async function explainExchange(
  id: string,
  client: AdminClient,
  { io, isJson }: { readonly io: CliIo; readonly isJson: boolean },
): Promise<number> {
  const answer = await client.get(`/admin/v1/exchanges/${encodeURIComponent(id)}`)
  const exchange = JSON.parse(accepted(answer)) as ExchangeAnswer // our own gateway's admin API
  io.out(isJson ? `${JSON.stringify(exchange, null, 2)}\n` : renderExchange(exchange))
  return EXIT.ok
}

/** The body of an answer, or an error with the words of the gateway. */
function accepted({ status, body }: TextAnswer): string {
  if (status === 200) return body
  throw new Error(`the gateway refused the question: ${messageOf(body) ?? `HTTP ${status}`}`)
}

function findUsageProblem(options: ExplainOptions): string | undefined {
  const { principal, token, exchange, args, request } = options
  const targets = [options.tool, options.prompt, options.resource, options.model].filter((name) => name !== undefined)
  if (exchange !== undefined)
    return targets.length === 0 && principal === undefined && token === undefined
      ? undefined
      : '--exchange stands alone: it tells what happened, not what would'
  if ((principal === undefined) === (token === undefined))
    return 'name the caller: one of --principal team=research,user=ann or --token <token>'
  if (targets.length !== 1) return 'name one target: --tool, --prompt, --resource or --model'
  return (
    objectProblem('--args', args, '{"path":"/x"}') ?? objectProblem('--request', request, '{"stream":true,"inputTokens":900}')
  )
}

function objectProblem(name: string, text: string | undefined, example: string): string | undefined {
  if (text === undefined) return undefined
  try {
    return isJsonObject(JSON.parse(text)) ? undefined : `${name} must be a JSON object such as ${example}`
  } catch (error) {
    return `${name} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`
  }
}

function targetOf({ tool, prompt, model, resource }: ExplainOptions): { readonly kind: ItemKind; readonly name: string } {
  if (tool !== undefined) return { kind: 'tool', name: tool }
  if (model !== undefined) return { kind: 'model', name: model }
  return prompt === undefined ? { kind: 'resource', name: resource ?? '' } : { kind: 'prompt', name: prompt }
}

/** The words a terminal shows for an explanation. */
function renderExplanation(answer: ExplainAnswer, target: { readonly kind: ItemKind; readonly name: string }): string {
  const { item, server } = answer
  const facts: [string, string | undefined][] = [
    ['catalog', answer.catalog],
    ['rule', answer.rule && place(answer.rule)],
    [target.kind === 'model' ? 'route' : 'item', item && itemWords(item)],
    ['digest', item && `${item.digest} (as shown ${item.shownDigest})`],
    [
      'server',
      server &&
        `${server.id} is ${server.state}${server.reason === undefined ? '' : `: ${server.reason}`}; circuit ${server.circuit}`,
    ],
    ['listed', answer.listed ? 'yes' : 'no'],
    ['limits', answer.limits?.map(({ label, used, max }) => `${label} ${used} of ${max}`).join('; ') || undefined],
    ['budgets', answer.budgets?.map(budgetWords).join('; ') || undefined],
    ['revision', answer.revision],
  ]
  const lines = [
    `${answer.outcome.toUpperCase()} ${target.kind} ${target.name}: ${answer.reason}`,
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(9)} ${value}`])),
    '',
    'trace',
    ...answer.trace.map(traceLine),
    ...renderConsidered(answer.targets),
    '',
    `change    ${answer.change}`,
  ]
  return `${lines.map(printable).join('\n')}\n`
}

function itemWords({ server, upstreamName, name }: NonNullable<ExplainAnswer['item']>): string {
  const origin = server === '' ? upstreamName : `${server}/${upstreamName}`
  return `${origin}${name === upstreamName ? '' : `, shown as ${name}`}`
}

function budgetWords({ label, usd, spentUsd, reservedUsd = '0' }: BudgetReading): string {
  if (spentUsd === undefined) return `${label} ${usd} USD`
  return `${label} ${spentUsd} of ${usd} USD${reservedUsd === '0' ? '' : ` and ${reservedUsd} reserved`}`
}

function traceLine({ outcome, step, message, rule }: TraceStep): string {
  return `  ${outcome.padEnd(4)} ${step.padEnd(9)} ${message}${rule === undefined ? '' : ` (${place(rule)})`}`
}

function place({ file, line, column, path }: RuleLocation): string {
  return `${file}:${line}:${column} ${path}`
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
