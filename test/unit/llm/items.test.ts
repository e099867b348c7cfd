import { expect, test } from 'vitest'
import type { LlmHttpRequest } from '../../../src/llm/contract.ts'
import { createItemMemory, type ItemMemory } from '../../../src/llm/items.ts'
import { doorOf } from '../../../src/llm/request.ts'
import { encodeContext } from './responses-fixture.ts'

const responses = doorOf('/v1/responses') ?? expect.unreachable()

// Of a request only the caller and the body matter here.
const from = (key: string, body: string) => ({ identity: { key }, body: Buffer.from(body) }) as unknown as LlmHttpRequest

const memory = () => createItemMemory({ maxEntries: 10, maxLength: 10_000 })

/** Says something to a caller and gives the id of what was said. */
function say(items: ItemMemory, caller: string, asked = '{"model":"m","input":"hi"}'): string {
  const followed = items.follow(responses, from(caller, asked))
  const { dialect } = followed.door
  dialect.decodeRequest(JSON.parse(asked))
  const answer = dialect.encodeAnswer({ id: 'x', parts: [{ type: 'text', text: 'said before' }], stop: 'end' }, encodeContext())
  followed.done()
  const [item] = answer['output'] as { id: string }[] // what the dialect writes
  return item?.id ?? ''
}

const refer = (id: string) =>
  `{ "odd":1.0,"model":"m","input":[{"type":"item_reference","id":"${id}"},{"role":"user","content":"go on"}] }`
const bodyFor = (items: ItemMemory, caller: string, body: string) =>
  items.follow(responses, from(caller, body)).http.body?.toString()

test('a reference to what was said is replaced by it, and nothing else is touched', () => {
  const items = memory()
  const id = say(items, 'ann')

  const body = bodyFor(items, 'ann', refer(id)) ?? ''

  expect(body).toContain('said before')
  expect(body).not.toContain('item_reference')
  expect(body).toMatch(/^\{ "odd":1\.0,"model":"m","input":\[\{.*\},\{"role":"user","content":"go on"\}\] \}$/)
})

test.each([
  { name: 'of another caller', caller: 'bob', asked: '{"model":"m","input":"hi"}' },
  { name: 'that was not to be kept', caller: 'ann', asked: '{"model":"m","input":"hi","store":false}' },
])('a reference to an item $name stays as it is', ({ caller, asked }) => {
  const items = memory()
  const id = say(items, 'ann', asked)

  expect(bodyFor(items, caller, refer(id))).toBe(refer(id))
})

test.each(['{"input":"item_reference"', '["item_reference"]', '{"input":[{"type":"item_reference"}, null, 1]}', ''])(
  'a body that holds no reference stays as it is: %s',
  (body) => {
    expect(bodyFor(memory(), 'ann', body)).toBe(body)
  },
)

test('what was blocked, and so never went out, is not remembered', () => {
  const items = memory()
  const followed = items.follow(responses, from('ann', '{}'))
  const answer = followed.door.dialect.encodeAnswer(
    { id: 'x', parts: [{ type: 'text', text: 'no' }], stop: 'end' },
    encodeContext(),
  )
  const [item] = answer['output'] as { id: string }[] // what the dialect writes

  expect(bodyFor(items, 'ann', refer(item?.id ?? ''))).toBe(refer(item?.id ?? ''))
})
