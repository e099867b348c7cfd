import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameSplitter, FrameTooLargeError } from '../../../src/llm/run/frames.ts'

function framesOf(chunks: readonly Buffer[], maxBytes = 1_000): string[] {
  const frames: string[] = []
  const splitter = new FrameSplitter(maxBytes)
  for (const chunk of chunks) splitter.push(chunk, (frame) => frames.push(frame.toString('utf8')))
  return frames
}

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...[...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b), bytes.length]
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge))
}

describe('cutting a stream into frames', () => {
  it.each([
    ['LF', 'data: a\n\ndata: b\n\n', ['data: a\n\n', 'data: b\n\n']],
    ['CR LF', 'data: a\r\n\r\ndata: b\r\n\r\n', ['data: a\r\n\r\n', 'data: b\r\n\r\n']],
    ['LF then CR LF', 'data: a\n\r\ndata: b\n\n', ['data: a\n\r\n', 'data: b\n\n']],
    ['comments and event names', ': hi\n\nevent: x\ndata: a\n\n', [': hi\n\n', 'event: x\ndata: a\n\n']],
    ['an unfinished frame is kept', 'data: a\n\ndata: b', ['data: a\n\n']],
    ['multi-line data stays one frame', 'data: a\ndata: b\n\n', ['data: a\ndata: b\n\n']],
  ])('%s', (_name, text, expected) => {
    expect(framesOf([Buffer.from(text)])).toEqual(expected)
    expect(framesOf([...Buffer.from(text)].map((byte) => Buffer.from([byte])))).toEqual(expected)
  })

  it('gives the same frames wherever the bytes are cut, characters included', () => {
    const line = fc.constantFrom('data: héé', 'data: {"a":"日本🙂"}', 'event: x', ': note', 'data:')
    const end = fc.constantFrom('\n', '\r\n')
    const stream = fc
      .array(fc.tuple(fc.array(line, { minLength: 1, maxLength: 3 }), end), { maxLength: 6 })
      .map((frames) => frames.map(([lines, newline]) => lines.map((text) => text + newline).join('') + newline).join(''))

    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (text, places) => {
        const bytes = Buffer.from(text)

        expect(framesOf(cutAt(bytes, places))).toEqual(framesOf([bytes]))
        expect(framesOf([bytes]).join('')).toBe(text)
      }),
      { numRuns: 300 },
    )
  })

  it('a frame without an end is refused at its bound', () => {
    expect(() => framesOf([Buffer.alloc(600, 0x61), Buffer.alloc(600, 0x61)])).toThrow(FrameTooLargeError)
  })
})
