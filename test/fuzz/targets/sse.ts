import { isDeepStrictEqual } from 'node:util'
import { createSseParser, formatEvent, SseTooLargeError, type ServerSentEvent } from '../../../src/lib/sse.ts'
import { createRandom } from '../random.ts'
import { invariant, type Target } from '../target.ts'

const MAX_EVENT_BYTES = 4_096

/** Server-sent events: the same events wherever the bytes are cut, and the ones a plain reading of the standard gives. */
export function sse(): Target {
  return {
    name: 'sse',
    dictionary: [
      'data:',
      'data: ',
      'event: x',
      'id: 1',
      'id:\0',
      'retry: 10',
      'retry: 1e9',
      ': comment',
      '\n',
      '\r',
      '\r\n',
      '\n\n',
      '\r\r',
      '\ufeff',
      '\u2028',
      'data',
      ':',
      '\u{1f600}',
      '[DONE]',
      '{"a":1}',
    ],
    seeds: () => SEEDS.map((seed) => Buffer.from(seed)),
    price: {
      parse: (input) => void parse([input]),
      honest: (bytes) => Buffer.from('data: {"a":"an ordinary event"}\n\n'.repeat(Math.ceil(bytes / 33))),
    },
    run(input) {
      const whole = parse([input])
      for (const chunks of cuts(input)) invariant(isDeepStrictEqual(parse(chunks), whole), 'cuts change nothing')
      if (whole.failure) return 'too large'
      invariant(isDeepStrictEqual(whole.events, plainly(input)), 'events are those of the standard')
      for (const event of whole.events) checkWritten(event)
      return `${Math.min(6, whole.events.length)} ${Math.min(3, whole.ids)} ${Math.min(3, whole.retries)} ${whole.events.some(({ data }) => data.includes('\n'))} ${whole.events[0]?.event.length ?? ''}`
    },
  }
}

const SEEDS = [
  'event: x\nid: 7\ndata: one\ndata: two\n\ndata: {"a":1}\n\n',
  '\ufeffdata: bom\r\n\r\n: keep-alive\r\n\r\ndata\r\n\r\n',
  'retry: 100\rid\rdata: \u{1f600}\r\r',
  'id: \0\ndata: x\n\nevent: \ndata:  y\n\n',
]

interface Reading {
  readonly events: readonly ServerSentEvent[]
  readonly ids: number
  readonly retries: number
  readonly failure: boolean
}

function parse(chunks: readonly Buffer[]): Reading {
  const events: ServerSentEvent[] = []
  const counts = { ids: 0, retries: 0 }
  const listener = {
    onEvent: (event: ServerSentEvent) => void events.push(event),
    onId: () => void counts.ids++,
    onRetry: () => void counts.retries++,
  }
  const parser = createSseParser(listener, MAX_EVENT_BYTES)
  try {
    for (const chunk of chunks) parser.push(chunk)
  } catch (error) {
    if (!(error instanceof SseTooLargeError)) throw error
    return { events, ...counts, failure: true }
  }
  return { events, ...counts, failure: false }
}

/** The same bytes one by one, and cut at places that depend on them. */
function* cuts(input: Buffer): Generator<readonly Buffer[]> {
  yield Array.from(input, (_, at) => input.subarray(at, at + 1))
  const random = createRandom(input.length + (input[0] ?? 0))
  const chunks: Buffer[] = []
  for (let at = 0, size = 0; at < input.length; at += size) {
    size = 1 + random.below(40)
    chunks.push(input.subarray(at, at + size))
  }
  yield chunks
}

/** The standard, read literally: all of the text at once, then line by line. */
function plainly(input: Buffer): readonly ServerSentEvent[] {
  const text = new TextDecoder('utf-8').decode(input)
  const lines = text.split(/\r\n|\r|\n/)
  lines.pop()
  const events: ServerSentEvent[] = []
  let fields = { event: '', data: [] as string[] }
  let id = ''
  for (const line of lines) {
    if (line === '') {
      if (fields.data.length > 0) events.push({ event: fields.event || 'message', data: fields.data.join('\n'), id })
      fields = { event: '', data: [] }
      continue
    }
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/su.exec(line) ?? []
    if (name === 'data') fields.data.push(value)
    else if (name === 'event') fields.event = value
    else if (name === 'id' && !value.includes('\0')) id = value
  }
  return events
}

function checkWritten({ event, data, id }: ServerSentEvent): void {
  const text = formatEvent(data, { event, id })
  const read = parse([Buffer.from(text)])
  const expected = { event: event.replaceAll('\0', '') || 'message', data, id }
  invariant(read.failure || isDeepStrictEqual(read.events, [expected]), 'what is written is read back')
}
