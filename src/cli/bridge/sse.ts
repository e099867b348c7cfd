import { StringDecoder } from 'node:string_decoder'

/** One server-sent event with data, or one that only sets the last event id or the retry delay. */
export interface StreamEvent {
  readonly data: string
  readonly id?: string
  readonly retryMs?: number
}

/** Reads an event stream (WHATWG HTML 9.2). Fails when one event is longer than `maxLength` characters. */
export async function* readEvents(stream: AsyncIterable<Buffer>, maxLength: number): AsyncGenerator<StreamEvent> {
  const decoder = new StringDecoder('utf8')
  let buffer = ''
  let fields: string[] = []
  let size = 0
  let open = true
  for await (const chunk of stream) {
    const text = decoder.write(chunk)
    buffer += text
    if (size + buffer.length > maxLength) throw new Error(`an event is longer than ${maxLength} characters`)
    // A long line comes in many chunks: it is looked at once, when its end is there.
    if (open && !/[\r\n]/.test(text)) continue
    open = !text.endsWith('\r')
    // A carriage return at the end may be the first half of a line end: it waits for the next chunk.
    const lines = buffer.split(/\r\n|\n|\r(?!$)/)
    buffer = lines.pop() ?? ''
    for (const line of lines) {
      size += line.length
      fields.push(line)
      if (line !== '') continue
      const event = toEvent(fields)
      fields = []
      size = 0
      if (event !== undefined) yield event
    }
  }
}

function toEvent(lines: readonly string[]): StreamEvent | undefined {
  const data: string[] = []
  let id: string | undefined
  let retryMs: number | undefined
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = (colon < 0 ? line : line.slice(0, colon)).replace(/^\uFEFF/, '')
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') data.push(value)
    else if (name === 'id' && !value.includes('\0')) id = value
    else if (name === 'retry' && /^\d{1,9}$/.test(value)) retryMs = Number(value)
  }
  if (data.length === 0 && id === undefined && retryMs === undefined) return undefined
  return { data: data.join('\n'), ...(id === undefined ? {} : { id }), ...(retryMs === undefined ? {} : { retryMs }) }
}
