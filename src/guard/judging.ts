import type { Evaluator, Finding, Opinion, Words } from './evaluator.ts'
import type { Span, Verdict } from './guard.ts'

/** What one evaluator said, with what it found. */
export interface Judged {
  readonly verdict: Verdict
  readonly findings: readonly Finding[]
}

/** What judging borrows. */
export interface Hearing {
  readonly signal: AbortSignal
  monotonic(): number
}

const MAX_SPANS = 32
const NOTHING: readonly Finding[] = []

/** Asks one evaluator. One that throws or is late counts as its `onFailure` says. Answers at once where the evaluator does. */
export function judge(evaluator: Evaluator, words: Words, hearing: Hearing): Judged | Promise<Judged> {
  const started = hearing.monotonic()
  const ms = () => hearing.monotonic() - started
  let armed: AbortSignal | undefined
  const deadline = () => (armed ??= AbortSignal.any([hearing.signal, AbortSignal.timeout(evaluator.deadlineMs)]))
  try {
    const opinion = evaluator.inspect(words, deadline)
    if (!(opinion instanceof Promise)) return judgedOf(evaluator, words, opinion, ms())
    return Promise.race([opinion, expired(deadline())]).then(
      (late) => judgedOf(evaluator, words, late, ms()),
      (error: unknown) => failed(evaluator, error, ms()),
    )
  } catch (error) {
    return failed(evaluator, error, ms())
  }
}

/** What was found, in a line: kinds and how many of each. */
export function reasonOf(labels: Iterable<readonly [label: string, count: number]>): string {
  return [...labels].map(([label, count]) => (count === 1 ? label : `${label} (${count})`)).join(', ')
}

/** How often each kind was found. */
export function countLabels(findings: readonly Finding[], into = new Map<string, number>()): Map<string, number> {
  for (const { label } of findings) into.set(label, (into.get(label) ?? 0) + 1)
  return into
}

function judgedOf(evaluator: Evaluator, words: Words, opinion: Opinion, ms: number): Judged {
  const { name, version, mode } = evaluator
  const findings = opinion.findings ?? NOTHING
  if (opinion.action === 'allow')
    return { verdict: { action: 'allow', evaluator: name, version, finos: [], ms }, findings: NOTHING }
  if (opinion.action === 'redact' && findings.length === 0) return failed(evaluator, new Error('it names nothing to redact'), ms)
  const reason = opinion.reason ?? reasonOf(countLabels(findings))
  const verdict: Verdict = {
    action: mode === 'shadow' ? 'flag' : opinion.action,
    evaluator: name,
    version,
    finos: evaluator.finos,
    ms,
    ...(opinion.score === undefined ? {} : { score: opinion.score }),
    ...(reason === '' ? {} : { reason }),
    ...(findings.length === 0 ? {} : { spans: spansOf(words, findings) }),
  }
  return { verdict, findings }
}

function spansOf({ parts }: Words, findings: readonly Finding[]): Span[] {
  return findings.slice(0, MAX_SPANS).map(({ part, start, end }) => ({ path: parts[part]?.path ?? '', start, end }))
}

function failed({ name, version, mode, onFailure, finos }: Evaluator, error: unknown, ms: number): Judged {
  const action = onFailure === 'closed' && mode === 'enforce' ? 'block' : 'flag'
  const reason = `could not judge: ${error instanceof Error ? error.message : 'failed'}`
  return { verdict: { action, reason, finos, evaluator: name, version, ms }, findings: NOTHING }
}

function expired(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const refuse = () => reject(new Error('it was not done in time'))
    if (signal.aborted) refuse()
    else signal.addEventListener('abort', refuse, { once: true })
  })
}
