import { invariant } from './target.ts'

/** One answer as it came over a socket. */
export interface RawAnswer {
  readonly status: number
  /** False when the connection ended before the body did. */
  readonly isWhole: boolean
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*$/
const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\t\x20-\x7e]*$/

/** Takes apart what a server wrote on one connection; breaks an invariant where it is not one valid answer after the other. */
export function readAnswers(bytes: Buffer): readonly RawAnswer[] {
  const answers: RawAnswer[] = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) {
      answers.push({ status: 0, isWhole: false })
      break
    }
    const [first = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n')
    const status = Number(STATUS_LINE.exec(first)?.[1])
    invariant(status >= 100, `"${first.slice(0, 60)}" is a status line`)
    for (const line of lines) invariant(HEADER.test(line), `"${line.slice(0, 60)}" is a header`)
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const body = endOfBody(bytes, end + 4, status, headers)
    answers.push({ status, isWhole: body !== undefined })
    at = body ?? bytes.length
  }
  return answers
}

/** Where the body ends; undefined when it was cut. */
function endOfBody(bytes: Buffer, start: number, status: number, headers: ReadonlyMap<string, string>): number | undefined {
  if (status < 200 || status === 204 || status === 304) return start
  const length = headers.get('content-length')
  if (headers.get('transfer-encoding') === 'chunked') {
    invariant(length === undefined, 'an answer has one length')
    return endOfChunks(bytes, start)
  }
  invariant(length === undefined || /^\d+$/.test(length), 'a length is a number')
  if (length === undefined) return undefined
  return start + Number(length) <= bytes.length ? start + Number(length) : undefined
}

function endOfChunks(bytes: Buffer, start: number): number | undefined {
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const text = bytes.toString('latin1', at, lineEnd)
    invariant(/^[0-9a-f]+$/i.test(text), `"${text.slice(0, 40)}" is the size of a chunk`)
    const next = lineEnd + 2 + Number.parseInt(text, 16) + 2
    if (next > bytes.length) return undefined
    invariant(bytes.toString('latin1', next - 2, next) === '\r\n', 'a chunk ends where its size says')
    if (Number.parseInt(text, 16) === 0) return next
    at = next
  }
}
