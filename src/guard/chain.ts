import type { TextLens } from '../core/text-lens.ts'
import { type CallWords, toCallWords } from './call-words.ts'
import type { Evaluator, Words } from './evaluator.ts'
import type { Guard, Hook, Verdict } from './guard.ts'
import { type Judged, judge } from './judging.ts'
import { replaceIn, type Replacement } from './redaction.ts'
import { createGuardStream } from './stream.ts'

/** What a guard is made with. */
export interface GuardOptions {
  monotonic(): number
  /** Characters of a stream held until they are judged. */
  readonly holdBack: number
}

/**
 * Makes a guard of evaluators, asked in order until one blocks. All of them judge the words as they came; what they redact is replaced when
 * the last one has spoken. An evaluator that throws or is late counts as its `onFailure` says.
 */
export function createGuard(evaluators: readonly Evaluator[], { monotonic, holdBack }: GuardOptions): Guard {
  const at = (hook: Hook): readonly Evaluator[] => evaluators.filter(({ hooks }) => hooks.includes(hook))
  const listening: Readonly<Record<Hook, readonly Evaluator[]>> = {
    request: at('request'),
    response: at('response'),
    definition: at('definition'),
    call: at('call'),
  }
  const inspect = async (hook: Hook, lens: TextLens, signal: AbortSignal): Promise<readonly Verdict[]> => {
    const heard = hook === 'call' ? toCallWords(lens) : undefined
    const words = wholeWords(hook, lens, heard)
    const verdicts: Verdict[] = []
    const edits = new Map<number, Replacement[]>()
    for (const evaluator of listening[hook]) {
      const pending = judge(evaluator, words, { signal, monotonic })
      const judged = pending instanceof Promise ? await pending : pending
      verdicts.push(judged.verdict)
      if (judged.verdict.action === 'block') return verdicts
      if (judged.verdict.action === 'redact') collectEdits(edits, judged, evaluator.replacement)
    }
    if (edits.size === 0 || redact(lens, words, heard, edits)) return verdicts
    return [...verdicts, unredactable(verdicts)]
  }
  return {
    active: (hook) => listening[hook].length > 0,
    inspect,
    openStream: (signal) =>
      createGuardStream({
        evaluators: listening.response,
        hearing: { signal, monotonic },
        holdBack,
        inspectCall: listening.call.length === 0 ? undefined : (lens) => inspect('call', lens, signal),
      }),
  }
}

function wholeWords(hook: Hook, lens: TextLens, heard: CallWords | undefined): Words {
  const words = { hook, parts: heard?.parts ?? lens.parts, from: 0, isEnd: true, earlier: 0 }
  return heard === undefined ? words : { ...words, call: heard.call }
}

function collectEdits(edits: Map<number, Replacement[]>, { findings }: Judged, text: string): void {
  for (const { part, start, end } of findings) {
    const list = edits.get(part) ?? []
    list.push({ start, end, text })
    edits.set(part, list)
  }
}

/** Puts the replacements into the message; false where they cannot be. */
function redact(lens: TextLens, { parts }: Words, heard: CallWords | undefined, edits: Map<number, Replacement[]>): boolean {
  const texts = new Map([...edits].map(([part, list]) => [part, replaceIn(parts[part]?.text ?? '', list)]))
  if (heard !== undefined) {
    const written = heard.rewritten(texts)
    if (written === undefined) return false
    lens.replace('arguments', written)
    return true
  }
  for (const [part, text] of texts) {
    const path = parts[part]?.path
    if (path !== undefined) lens.replace(path, text)
  }
  return true
}

/** What cannot be redacted must not pass. */
function unredactable(verdicts: readonly Verdict[]): Verdict {
  const asked = verdicts.find(({ action }) => action === 'redact')
  return {
    action: 'block',
    evaluator: asked?.evaluator ?? '',
    version: asked?.version ?? '',
    reason: `${asked?.reason ?? 'a finding'}, where nothing can be redacted`,
    finos: asked?.finos ?? [],
    ms: 0,
  }
}
