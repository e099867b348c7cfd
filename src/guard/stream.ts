// Judging an answer while it streams.
// 1. Each channel keeps a window: the last words, of which the newest `holdBack` characters are held. A piece is judged together with the
// window, so a finding that is split over pieces is seen whole. 2. A finding is acted upon once it begins in what is about to go out: being
// shorter than what is held, it can change no more. Blocking is earlier: as soon as something follows the finding. 3. What went out is
// forgotten, but for the one character before the window that word boundaries look back at. 4. Where words are held anyway, a window is read
// again only when a sixteenth of `holdBack` has come.
// It does not promise to catch whole what is longer than `holdBack`, except where an evaluator says how its finding goes on (`rest`).
import type { TextLens } from '../core/text-lens.ts'
import type { Evaluator, Finding, Rest, Words } from './evaluator.ts'
import type { GuardStream, StreamJudgement, Verdict } from './guard.ts'
import { countLabels, type Hearing, judge, type Judged, reasonOf } from './judging.ts'
import { mergeReplacements, type Replacement } from './redaction.ts'

/** What a stream is judged with. */
export interface StreamOptions {
  /** Those that judge answers. */
  readonly evaluators: readonly Evaluator[]
  readonly hearing: Hearing
  readonly holdBack: number
  /** Judges a proposed call; undefined when nobody listens to calls. */
  readonly inspectCall: ((lens: TextLens) => Promise<readonly Verdict[]>) | undefined
}

/** Opens the judging of one answer. Pieces of a channel come one after the other: each is waited for. */
export function createGuardStream(options: StreamOptions): GuardStream {
  return new AnswerStream(options)
}

/** A part of the answer. All positions are in `text`. */
interface Channel {
  text: string
  /** Where the words begin that are judged; before it stands context. */
  from: number
  /** Up to here everything went out, or was replaced. */
  done: number
  /** Characters that came since it was last judged. */
  unjudged: number
  rest: Rest | undefined
}

/** What an evaluator found so far. */
interface Tally {
  readonly verdict: Verdict
  readonly labels: Map<string, number>
  ms: number
}

/** Times a character is read at most, about. */
const STRIDES = 16
const MAX_CALL_VERDICTS = 256
const MAX_TALLIES = 256
const PASS_NOTHING: StreamJudgement = { kind: 'pass', text: '' }

class AnswerStream implements GuardStream {
  readonly #options: StreamOptions
  /** Whether anything must be held; else words go out as they come. */
  readonly #holds: boolean
  /** Characters that are waited for before a window is read again, so that tiny pieces do not cost a window each. */
  readonly #stride: number
  readonly #channels = new Map<number, Channel>()
  readonly #tallies = new Map<string, Tally>()
  readonly #callVerdicts: Verdict[] = []
  #received = 0
  #blocked: StreamJudgement | undefined

  constructor(options: StreamOptions) {
    this.#options = options
    this.#stride = Math.floor(options.holdBack / STRIDES)
    this.#holds = options.evaluators.some(({ mode, holds }) => mode === 'enforce' && holds)
  }

  async push(channel: number, text: string): Promise<StreamJudgement> {
    if (this.#blocked !== undefined) return this.#blocked
    if (this.#options.evaluators.length === 0) return { kind: 'pass', text }
    if (text === '') return PASS_NOTHING
    const open = this.#channels.get(channel) ?? { text: '', from: 0, done: 0, unjudged: 0, rest: undefined }
    this.#channels.set(channel, open)
    open.text += text
    this.#received += text.length
    open.unjudged += text.length
    if (this.#holds && open.unjudged < this.#stride) return PASS_NOTHING
    open.unjudged = 0
    return await this.#judge(open, false)
  }

  async end(channel: number): Promise<StreamJudgement> {
    if (this.#blocked !== undefined) return this.#blocked
    const open = this.#channels.get(channel)
    if (open === undefined) return PASS_NOTHING
    this.#channels.delete(channel)
    return await this.#judge(open, true)
  }

  async call(name: string, args: string): Promise<StreamJudgement> {
    if (this.#blocked !== undefined) return this.#blocked
    const { inspectCall } = this.#options
    if (inspectCall === undefined) return { kind: 'pass', text: args }
    let text = args
    const verdicts = await inspectCall({
      parts: [
        { path: 'name', text: name },
        { path: 'arguments', text: args },
      ],
      replace: (_path, written) => {
        text = written
      },
    })
    for (const verdict of verdicts) {
      if (verdict.action === 'block') this.#callVerdicts.push(verdict)
      else if (verdict.action !== 'allow' && this.#callVerdicts.length < MAX_CALL_VERDICTS) this.#callVerdicts.push(verdict)
    }
    const block = verdicts.find(({ action }) => action === 'block')
    return block === undefined ? { kind: 'pass', text } : this.#block(block)
  }

  verdicts(): readonly Verdict[] {
    const tallied = [...this.#tallies.values()].map(({ verdict, labels, ms }): Verdict => {
      const reason = reasonOf(labels)
      return { ...verdict, hook: 'response', ms, ...(reason === '' ? {} : { reason }) }
    })
    return [...tallied, ...this.#callVerdicts.map((verdict): Verdict => ({ ...verdict, hook: 'call' }))]
  }

  async #judge(channel: Channel, isEnd: boolean): Promise<StreamJudgement> {
    const { evaluators, hearing, holdBack } = this.#options
    const { text, from } = channel
    const cut = isEnd ? text.length : cutAt(text, Math.max(from, text.length - holdBack), from)
    const words: Words = {
      hook: 'response',
      parts: [{ path: '', text }],
      from,
      isEnd,
      earlier: this.#received - (text.length - from),
    }
    const isDue = ({ start }: Finding) => isEnd || start < cut
    const redactions: (Replacement & { readonly finding: Finding })[] = []
    for (const evaluator of evaluators) {
      const pending = judge(evaluator, words, hearing)
      const judged = pending instanceof Promise ? await pending : pending
      const { verdict, findings } = judged
      if (verdict.action === 'allow') continue
      const isWordless = findings.length === 0
      const due = findings.filter(isDue)
      if (verdict.action === 'block' && (isWordless || due.length > 0 || findings.some(({ end }) => end < text.length))) {
        this.#note(evaluator, judged, findings)
        return this.#block(verdict)
      }
      if (isWordless || due.length > 0) this.#note(evaluator, judged, due)
      if (verdict.action !== 'redact') continue
      for (const finding of due) redactions.push({ start: finding.start, end: finding.end, text: evaluator.replacement, finding })
    }
    const written = this.#write(channel, redactions, this.#holds ? cut : text.length)
    if (!isEnd) {
      follow(channel, redactions)
      forget(channel, cut)
    }
    return { kind: 'pass', text: written }
  }

  /** What goes out of a channel up to `cut`. */
  #write(channel: Channel, redactions: readonly Replacement[], cut: number): string {
    const { text, rest } = channel
    if (rest !== undefined) {
      const coming = text.slice(channel.done)
      const taken = rest(coming)
      channel.done += taken
      if (taken < coming.length) channel.rest = undefined
    }
    let written = ''
    for (const { start, end, text: instead } of mergeReplacements(redactions)) {
      // One that begins inside what was replaced before belongs to it.
      if (start >= channel.done) written += text.slice(channel.done, start) + instead
      channel.done = Math.max(channel.done, end)
    }
    if (channel.done >= cut) return written
    written += text.slice(channel.done, cut)
    channel.done = cut
    return written
  }

  #note({ name }: Evaluator, { verdict }: Judged, findings: readonly Finding[]): void {
    const key = `${name}\n${verdict.action}\n${findings.length === 0 ? verdict.reason : ''}`
    const { spans: _spans, ...bare } = verdict
    const tally = this.#tallies.get(key) ?? { verdict: bare, labels: new Map(), ms: 0 }
    if (this.#tallies.size < MAX_TALLIES || verdict.action === 'block') this.#tallies.set(key, tally)
    countLabels(findings, tally.labels)
    tally.ms += verdict.ms
  }

  #block({ evaluator, reason }: Verdict): StreamJudgement {
    this.#blocked = { kind: 'block', reason: reason === undefined ? evaluator : `${evaluator}: ${reason}` }
    this.#channels.clear()
    return this.#blocked
  }
}

/** A place to cut at that does not split a character. */
function cutAt(text: string, at: number, least: number): number {
  const unit = text.charCodeAt(at - 1)
  return at > least && unit >= 0xd800 && unit <= 0xdbff ? at - 1 : at
}

/** Remembers how a finding goes on that reaches to the end of the window. */
function follow(channel: Channel, redactions: readonly (Replacement & { readonly finding: Finding })[]): void {
  for (const { start, end, finding } of redactions) {
    if (end === channel.text.length) channel.rest = finding.rest?.(channel.text.slice(start, end)) ?? channel.rest
  }
}

function forget(channel: Channel, cut: number): void {
  if (cut === 0) return
  const before = channel.text.charCodeAt(cut - 1)
  const context = before >= 0xdc00 && before <= 0xdfff && cut > 1 ? 2 : 1
  const first = cut - context
  channel.text = channel.text.slice(first)
  channel.from = context
  channel.done -= first
}
