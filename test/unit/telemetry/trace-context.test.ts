import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatTraceparent, parseBaggage, parseTraceparent, parseTracestate, startTrace } from '../../../src/lib/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

describe('traceparent', () => {
  test.each([
    ['sampled', `00-${TRACE}-${SPAN}-01`, true],
    ['not sampled', `00-${TRACE}-${SPAN}-00`, false],
    ['with flags of the future', `00-${TRACE}-${SPAN}-03`, true],
    ['of a later version', `cc-${TRACE}-${SPAN}-01-what-the-future-says`, true],
  ])('%s', (_name, value, sampled) => {
    expect(parseTraceparent(value)).toEqual({ traceId: TRACE, spanId: SPAN, sampled })
  })

  test.each([
    ['of version ff', `ff-${TRACE}-${SPAN}-01`],
    ['of version 00 with more behind it', `00-${TRACE}-${SPAN}-01-more`],
    ['in capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['with a zero trace', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['with a zero span', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['twice in one header', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ['with a line break behind it', `00-${TRACE}-${SPAN}-01\n`],
    ['a megabyte long', `cc-${TRACE}-${SPAN}-01-${'x'.repeat(1_000_000)}`],
    ['no text', 7],
    ['absent', undefined],
  ])('%s is none', (_name, value) => {
    expect(parseTraceparent(value)).toBeUndefined()
  })
})

describe('tracestate and baggage', () => {
  test.each([
    ['a tracestate', parseTracestate, 'rojo=00f067aa0ba902b7, congo=t61rcWkgMzE', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    ['a tracestate with a header in it', parseTracestate, 'a=b\r\nx-evil: 1', undefined],
    ['a tracestate in capitals', parseTracestate, 'Rojo=1', undefined],
    ['baggage with properties', parseBaggage, 'userId=alice;ttl=3,region=eu', 'userId=alice;ttl=3,region=eu'],
    ['baggage with a line break', parseBaggage, 'a=b\nc', undefined],
    ['baggage that is a list', parseBaggage, ['a=b'], undefined],
    ['empty baggage', parseBaggage, '', undefined],
  ] as const)('%s', (_name, parse, value, expected) => {
    expect(parse(value)).toBe(expected)
  })

  test('whole members are left out at the end when there are too many or too long ones', () => {
    const states = Array.from({ length: 50 }, (_, index) => `k${index}=v`)
    expect(parseTracestate(states.join(','))).toBe(states.slice(0, 32).join(','))
    expect(parseTracestate(`a=${'x'.repeat(250)},b=${'y'.repeat(250)},c=${'z'.repeat(250)}`)?.split(',').length).toBe(2)
    expect(parseBaggage(Array.from({ length: 90 }, (_, index) => `k${index}=v`).join(','))?.split(',').length).toBe(64)
  })

  test('whatever comes in, what goes out is within the limits and fits in a header', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2_000, unit: 'binary' }), (text) => {
        for (const out of [parseTracestate(text), parseBaggage(text)]) {
          if (out === undefined) continue
          expect(out.length).toBeLessThanOrEqual(8_192)
          expect(/^[\x20-\x7e\t]+$/.test(out)).toBe(true)
        }
      }),
    )
  })
})

describe('the trace of an exchange', () => {
  test('is a new one when the caller names none, sampled by the ratio', () => {
    const traces = Array.from({ length: 2_000 }, () => startTrace({}, undefined, 0.25))

    expect(new Set(traces.map(({ traceId }) => traceId)).size).toBe(2_000)
    expect(traces.every((trace) => parseTraceparent(formatTraceparent(trace))?.spanId === trace.spanId)).toBe(true)
    expect(traces.filter(({ sampled }) => sampled).length).toBeGreaterThan(350)
    expect(traces.filter(({ sampled }) => sampled).length).toBeLessThan(650)
    expect(startTrace({}, undefined, 0).sampled).toBe(false)
    expect(startTrace({}, undefined, 1).sampled).toBe(true)
  })

  test('is under the parent of the headers, whose choice to sample is followed', () => {
    const trace = startTrace({ traceparent: `00-${TRACE}-${SPAN}-00`, tracestate: 'a=b', baggage: 'c=d' }, undefined, 1)

    expect(trace).toEqual({
      traceId: TRACE,
      spanId: trace.spanId,
      parentSpanId: SPAN,
      sampled: false,
      tracestate: 'a=b',
      baggage: 'c=d',
    })
    expect(trace.spanId).not.toBe(SPAN)
  })

  test('is under the parent of the message when both name one, and links the one of the headers', () => {
    const other = 'f'.repeat(16)
    const trace = startTrace(
      { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=b' },
      { traceparent: `00-${'1'.repeat(32)}-${other}-01` },
      0,
    )

    expect(trace).toEqual({
      traceId: '1'.repeat(32),
      spanId: trace.spanId,
      parentSpanId: other,
      sampled: true,
      link: { traceId: TRACE, spanId: SPAN },
    })
  })

  test('has no tracestate without a parent', () => {
    expect(startTrace({ tracestate: 'a=b' }, undefined, 0).tracestate).toBeUndefined()
  })
})
