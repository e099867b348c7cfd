import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSseParser, formatEvent, SseTooLargeError, type ServerSentEvent } from '../../../src/lib/sse.ts'

type Seen = { readonly events: ServerSentEvent[]; readonly ids: string[]; readonly retries: number[] }

function parse(chunks: readonly Uint8Array[], maxBytes = 1_000_000): Seen {
  const seen: Seen = { events: [], ids: [], retries: [] }
  const parser = createSseParser(
    {
      onEvent: (event) => void seen.events.push(event),
      onId: (id) => void seen.ids.push(id),
      onRetry: (milliseconds) => void seen.retries.push(milliseconds),
    },
    maxBytes,
  )
  for (const chunk of chunks) parser.push(Buffer.from(chunk))
  return seen
}

const message = (data: string, id = ''): ServerSentEvent => ({ event: 'message', data, id })

describe('server-sent events', () => {
  test.each([
    ['LF ends lines', 'data: a\n\n', [message('a')]],
    ['CRLF ends lines', 'data: a\r\n\r\n', [message('a')]],
    ['CR ends lines', 'data: a\r\rdata: b\r\r', [message('a'), message('b')]],
    ['a byte order mark is dropped', '\uFEFFdata: a\n\n', [message('a')]],
    ['comments are ignored', ': ping\n\n:x\ndata: a\n\n', [message('a')]],
    ['several data lines are joined', 'data: a\ndata: b\ndata\n\n', [message('a\nb\n')]],
    ['one blank after the colon is dropped', 'data:  a\n\n', [message(' a')]],
    ['an id stays for later events', 'id: 7\ndata: a\n\ndata: b\n\n', [message('a', '7'), message('b', '7')]],
    ['an id with NUL is ignored', 'id: 7\0\ndata: a\n\n', [message('a')]],
    ['the event field names the event', 'event: endpoint\ndata: /x\n\n', [{ event: 'endpoint', data: '/x', id: '' }]],
    ['an event without data is not dispatched', 'event: x\n\n', []],
    ['an empty data line is an event', 'data:\n\n', [message('')]],
    ['an unfinished event is dropped', 'data: a', []],
  ])('%s', (_name, text, events) => {
    expect(parse([Buffer.from(text)]).events).toEqual(events)
  })

  test('a priming event without data still sets the id and the retry time', () => {
    const seen = parse([Buffer.from('id: event-1\nretry: 500\n\n')])

    expect(seen).toEqual({ events: [], ids: ['event-1'], retries: [500] })
  })

  test('any chunking gives the same events', () => {
    const line = fc.oneof(
      fc.string({ unit: 'grapheme' }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, '')}`),
      fc.constantFrom('id: 1', 'id', 'event: x', ': comment', 'retry: 10', '', 'data: é😀', 'data'),
    )
    const stream = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 40 })
    fc.assert(
      fc.property(stream, fc.array(fc.nat(400), { maxLength: 30 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.map(([text, end]) => text + end).join(''))
        const at = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].sort((a, b) => a - b)
        const pieces = [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end))

        expect(parse(pieces)).toEqual(parse([bytes]))
        expect(parse([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(parse([bytes]))
      }),
      { numRuns: 200 },
    )
  })

  test('what formatEvent writes is read back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const wellFormed = text.toWellFormed()

        expect(parse([Buffer.from(formatEvent(wellFormed, { id: '3', event: 'note' }))]).events).toEqual([
          { event: 'note', id: '3', data: wellFormed.replaceAll(/\r\n|\r/g, '\n') },
        ])
      }),
    )
  })

  test.each([
    ['in one chunk', (bytes: Buffer) => [bytes]],
    ['in single bytes', (bytes: Buffer) => [...bytes].map((byte) => Uint8Array.of(byte))],
  ])('an event over the bound is refused %s', (_name, cut) => {
    expect(() => parse(cut(Buffer.from(`data: ${'x'.repeat(2000)}`)), 1000)).toThrow(SseTooLargeError)
    expect(() => parse(cut(Buffer.from('data: x\n'.repeat(300))), 1000)).toThrow(SseTooLargeError)
  })

  test('the bound is per event, not per stream', () => {
    expect(parse([Buffer.from(`data: ${'x'.repeat(500)}\n\n`.repeat(10))], 1000).events).toHaveLength(10)
  })
})
