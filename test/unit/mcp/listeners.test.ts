import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import type { OfferedKind, Snapshot } from '../../../src/core/snapshot.ts'
import { createListeners } from '../../../src/mcp/listeners.ts'
import { decide, eligible, visible } from '../../../src/policy/decide.ts'
import { conditionOf, identityOf, snapshotOf } from '../../support/mcp-catalog.ts'

const tool = (name: string, description = name): JsonObject => ({ name, description, inputSchema: { type: 'object' } })
const take = (tools: readonly JsonObject[], prompts: readonly JsonObject[] = []) =>
  snapshotOf(
    { s: { tools, prompts }, t: { tools: [tool('other')] } },
    {
      one: {
        team: 'one',
        servers: ['s'],
        hide: ['hidden'],
        change: { onlyOwner: { when: conditionOf(({ principal }) => (principal as { subject: string }).subject === 'owner') } },
      },
      two: { team: 'two', servers: ['t'] },
    },
  )
const BEFORE = [tool('a'), tool('hidden'), tool('onlyOwner')]

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function listen(snapshot: Snapshot) {
  const state = { snapshot, inventory: snapshot.servers.get('s')?.inventory }
  const listeners = createListeners({
    policy: { eligible, visible, decide },
    snapshot: () => state.snapshot,
    upstream: () => ({ inventory: () => state.inventory }) as never,
    now: () => new Date(0),
  })
  const heard: Record<string, string[]> = {}
  const add = (name: string, team: string, kinds: readonly OfferedKind[] = ['tool', 'prompt']) => {
    heard[name] = []
    return listeners.add({
      identity: () => identityOf(team, name),
      catalog: undefined,
      kinds: new Set(kinds),
      notify: (method) => void heard[name]!.push(method.split('/')[1]!),
    })
  }
  const change = (next: Snapshot) => {
    const previous = state.snapshot
    state.snapshot = next
    state.inventory = next.servers.get('s')?.inventory
    listeners.snapshotChanged(next, previous)
    listeners.upstreamChanged({ server: 's', announced: new Set(['tool']) })
    vi.advanceTimersByTime(1_000)
  }
  return { listeners, heard, add, change }
}

describe('who hears of changes', () => {
  test('only who is shown what changed, and only of the kinds wanted', () => {
    const { heard, add, change } = listen(take(BEFORE))
    add('owner', 'one')
    add('guest', 'one')
    add('prompts', 'one', ['prompt'])
    add('stranger', 'two')

    change(take([tool('a'), tool('hidden', 'new'), tool('onlyOwner')]))
    const afterHidden = structuredClone(heard)
    change(take([tool('a'), tool('hidden', 'new'), tool('onlyOwner', 'new')]))
    const afterOwners = structuredClone(heard)
    change(take([tool('a', 'new'), tool('hidden', 'new'), tool('onlyOwner', 'new')], [{ name: 'p' }]))

    expect(afterHidden).toEqual({ owner: [], guest: [], prompts: [], stranger: [] })
    expect(afterOwners).toEqual({ owner: ['tools'], guest: [], prompts: [], stranger: [] })
    expect(heard).toEqual({
      owner: ['tools', 'tools', 'prompts'],
      guest: ['tools', 'prompts'],
      prompts: ['prompts'],
      stranger: [],
    })
  })

  test('an announcement without a change is passed on to who is shown something of that server', () => {
    const { listeners, heard, add } = listen(take(BEFORE))
    add('guest', 'one')
    add('stranger', 'two')

    listeners.upstreamChanged({ server: 's', announced: new Set(['tool']) })
    vi.advanceTimersByTime(1_000)

    expect(heard).toEqual({ guest: ['tools'], stranger: [] })
  })

  test('a storm is one message, and who stopped hears nothing', () => {
    const { listeners, heard, add } = listen(take(BEFORE))
    add('guest', 'one')
    const stop = add('gone', 'one')

    for (let n = 0; n < 100; n += 1) listeners.upstreamChanged({ server: 's', announced: new Set(['tool']) })
    stop()
    vi.advanceTimersByTime(1_000)

    expect(heard).toEqual({ guest: ['tools'], gone: [] })
  })
})
