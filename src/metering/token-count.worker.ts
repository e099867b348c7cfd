// Counts tokens away from the thread that serves calls. The time of byte pair encoding grows with the square of a run without blanks, so text is
// counted in short pieces, cut before a blank where there is one: exact for prose, about one token more for each piece of anything else.
import { parentPort } from 'node:worker_threads'
import { clearMergeCache, countTokens } from 'gpt-tokenizer/encoding/o200k_base'

/** To the thread: text no longer than its asker likes to wait for. */
export interface CountQuestion {
  readonly id: number
  readonly text: string
}

/** From the thread. */
export interface CountAnswer {
  readonly id: number
  readonly tokens: number
}

const PIECE = 512
/** The encoder remembers every piece it has merged; forgetting them after this many characters bounds that. */
const FORGET_AFTER = 2_097_152
/** Names of control tokens are text like any other when somebody writes them. */
const AS_TEXT = { disallowedSpecial: new Set<string>() }

let counted = 0

function count(text: string): number {
  let tokens = 0
  for (let from = 0; from < text.length;) {
    const to = endOfPiece(text, from)
    tokens += countTokens(text.slice(from, to), AS_TEXT)
    from = to
  }
  counted += text.length
  if (counted > FORGET_AFTER) {
    clearMergeCache()
    counted = 0
  }
  return tokens
}

function endOfPiece(text: string, from: number): number {
  const limit = from + PIECE
  if (limit >= text.length) return text.length
  const blank = text.slice(from, limit + 1).lastIndexOf(' ')
  return blank > 0 ? from + blank : limit
}

const port = parentPort
port?.on('message', ({ id, text }: CountQuestion) => {
  port.postMessage({ id, tokens: count(text) } satisfies CountAnswer)
})
