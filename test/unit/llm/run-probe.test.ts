import { describe, expect, it } from 'vitest'
import { createTargetHealth } from '../../../src/llm/routing/target-health.ts'

function failing() {
  let now = 0
  const changes: string[] = []
  const health = createTargetHealth({ now: () => now, random: () => 0.5, changed: (circuit) => changes.push(circuit) })
  for (let count = 0; count < 5; count += 1) health.begin(false)?.failed({ kind: 'server', status: 500, message: 'failed' })
  return { health, changes, later: (ms: number) => (now += ms) }
}

describe('G28 a breaker that is due for a probe', () => {
  it('lets exactly one of many callers pass, and closes when it is answered', () => {
    const { health, changes, later } = failing()
    expect(health.begin(false)).toBeUndefined()

    later(60_001)
    const admitted = Array.from({ length: 50 }, () => health.begin(false)).filter((attempt) => attempt !== undefined)

    expect(admitted).toHaveLength(1)
    admitted[0]?.succeeded(5)
    expect(Array.from({ length: 50 }, () => health.begin(false)).every((attempt) => attempt !== undefined)).toBe(true)
    expect(changes).toEqual(['open', 'half-open', 'closed'])
  })

  it('frees the place of a probe that says nothing, and stays shut longer after one that fails', () => {
    const { health, later } = failing()
    later(60_001)

    health.begin(false)?.neutral()
    const second = health.begin(false)
    second?.failed({ kind: 'timeout', message: 'late' })

    expect(second).toBeDefined()
    expect(health.begin(false)).toBeUndefined()
    later(4_000)
    expect(health.begin(false)).toBeUndefined()
  })
})
