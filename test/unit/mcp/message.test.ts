import { describe, expect, test } from 'vitest'
import { readBody } from '../../../src/mcp/message.ts'

const BOUNDS = { depth: 64, nodes: 100_000 }
const read = (text: string) => readBody(Buffer.from(text), BOUNDS)

describe('JSON-RPC messages', () => {
  test.each([
    ['C03 a repeated method', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', 'invalid_request'],
    [
      'C03 a repeated name in params',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
      'invalid_request',
    ],
    ['C05 Method beside method', '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', 'invalid_request'],
    ['C05 METHOD instead of method', '{"jsonrpc":"2.0","id":1,"METHOD":"ping"}', 'invalid_request'],
    ['C05 Params', '{"jsonrpc":"2.0","id":1,"method":"ping","Params":{}}', 'invalid_request'],
    ['C05 NAME in params', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"NAME":"x"}}', 'invalid_request'],
    [
      'C05 Arguments in params',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","Arguments":{}}}',
      'invalid_request',
    ],
    ['C06 paramſ', '{"jsonrpc":"2.0","id":1,"method":"ping","paramſ":{}}', 'invalid_request'],
    [
      'C06 argumentſ in params',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","argumentſ":{}}}',
      'invalid_request',
    ],
    ['C06 an escaped method twice', '{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"x"}', 'invalid_request'],
    ['C07 two objects', '{"jsonrpc":"2.0","id":1,"method":"ping"}{}', 'parse_error'],
    ['C07 NaN', '{"jsonrpc":"2.0","id":NaN,"method":"ping"}', 'parse_error'],
    ['C09 id null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 'invalid_request'],
    ['C09 id true', '{"jsonrpc":"2.0","id":true,"method":"ping"}', 'invalid_request'],
    ['C09 id 1.5', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 'invalid_request'],
    ['C09 id 1e400', '{"jsonrpc":"2.0","id":1e400,"method":"ping"}', 'invalid_request'],
    ['C09 id 2^53+1', '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', 'invalid_request'],
    ['C09 id of 20 digits', '{"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"}', 'invalid_request'],
    ['C09 id object', '{"jsonrpc":"2.0","id":{},"method":"ping"}', 'invalid_request'],
    ['C09 id array', '{"jsonrpc":"2.0","id":[1],"method":"ping"}', 'invalid_request'],
    ['C10 no jsonrpc', '{"id":1,"method":"ping"}', 'invalid_request'],
    ['C10 jsonrpc 1.0', '{"jsonrpc":"1.0","id":1,"method":"ping"}', 'invalid_request'],
    ['C10 jsonrpc as a number', '{"jsonrpc":2.0,"id":1,"method":"ping"}', 'invalid_request'],
    ['C10 result and error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', 'invalid_request'],
    ['C10 method and result', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', 'invalid_request'],
    ['neither method nor id', '{"jsonrpc":"2.0"}', 'invalid_request'],
    ['params as an array', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 'invalid_request'],
    ['_meta as a text', '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":"x"}}', 'invalid_params'],
    ['a scalar', '7', 'invalid_request'],
  ])('%s is refused', (_name, text, code) => {
    const body = read(text)

    expect(body).toMatchObject({ kind: 'refused', error: { code } })
  })

  test.each(['0', '-1', '""', '"\\u0061"', '"' + 'x'.repeat(300) + '"', '9007199254740991', '1.0', '-0'])(
    'C09 the id %s is kept byte for byte',
    (idText) => {
      const body = read(`{"jsonrpc":"2.0", "id" : ${idText} ,"method":"ping"}`)

      expect(body).toMatchObject({ kind: 'request', idText })
    },
  )

  test('C09 an error about the rest of a message still knows its id, one about the id has none', () => {
    const known = read('{"jsonrpc":"1.0","id":7,"method":"ping"}')
    const unknown = read('{"jsonrpc":"2.0","id":1.5,"method":"ping"}')

    expect(known).toMatchObject({ kind: 'refused', idText: '7' })
    expect(unknown).toMatchObject({ kind: 'refused', idText: undefined })
  })

  test('C04 __proto__ in params is data', () => {
    const body = read('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"__proto__":{"x":1}}}}')

    expect(JSON.stringify(body)).toContain('"arguments":{"__proto__":{"x":1}}')
    expect(({} as { x?: number }).x).toBeUndefined()
  })

  test('requests, notifications and responses are told apart; a batch keeps the ids of its items', () => {
    expect(read('{"jsonrpc":"2.0","method":"notifications/initialized"}')).toMatchObject({ kind: 'notification' })
    expect(read('{"jsonrpc":"2.0","id":"a","result":{"x":1}}')).toMatchObject({ kind: 'response', answer: { result: { x: 1 } } })
    expect(read('{"jsonrpc":"2.0","id":"a","error":{"code":1}}')).toMatchObject({
      kind: 'response',
      answer: { error: { code: 1 } },
    })
    const batch = read('[{"jsonrpc":"2.0","id":1.0,"method":"ping"}, 5]')
    expect(batch).toMatchObject({ kind: 'batch', items: [{ kind: 'request', idText: '1.0' }, { kind: 'refused' }] })
    expect(read('[]')).toMatchObject({ kind: 'batch', items: [] })
  })
})
