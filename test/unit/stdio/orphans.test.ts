import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { callTool, isAlive, jsonOf, root, StdioBench, untilGone } from '../../support/stdio-fixtures.ts'

const PARENT = fileURLToPath(new URL('../../support/child-parent.ts', import.meta.url))

type Family = { readonly children: number[]; readonly descendants: number[]; readonly guard: number }

/** Starts a gateway in small in a group of its own and waits until its children run. */
async function startParent(): Promise<{ readonly pid: number; readonly family: Family }> {
  const parent = spawn(process.execPath, [PARENT], { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(parent.stdout), 'line')
  return { pid: parent.pid!, family: JSON.parse(String(line)) }
}

/** Tells whether a process has a handler for a signal: it was started far enough to be asked. */
function catches(pid: number, signal: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n
}

describe('nobody outlives the gateway', () => {
  test.each([
    [
      'F10: killed with SIGKILL, children, stubborn ones and trees are gone within 5 s',
      (pid: number) => process.kill(pid, 'SIGKILL'),
    ],
    ['F10: its whole process group killed with SIGKILL, the same holds', (pid: number) => process.kill(-pid, 'SIGKILL')],
    ['F10: ended by SIGTERM without a chance to clean up, the same holds', (pid: number) => process.kill(pid, 'SIGTERM')],
  ])('%s', async (_name, kill) => {
    const { pid, family } = await startParent()
    const all = [...family.children, ...family.descendants, family.guard]
    expect([family.children.length, family.descendants.length]).toEqual([3, 2])
    expect(all.filter((one) => !isAlive(one))).toEqual([])

    kill(pid)

    expect(await untilGone([pid, ...all], 5_000)).toBeLessThan(5_000)
  })

  test('F10: a watcher that was killed is replaced, and the new one knows the children', async () => {
    await using bench = new StdioBench()
    const child = await bench.child(['--stubborn'])
    const first = bench.guard.pid()!

    process.kill(first, 'SIGKILL')
    await untilGone([first], 2_000)
    await expect.poll(() => [first, undefined].includes(bench.guard.pid()), { timeout: 5_000 }).toBe(false)
    const second = bench.guard.pid()!

    expect(isAlive(second)).toBe(true)
    bench.guard.close()
    await untilGone([child.pid, second], 5_000)
  })

  test('a watcher ignores signals and ends with the gateway alone', async () => {
    const bench = new StdioBench()
    const child = await bench.child()
    const watcher = bench.guard.pid()!
    // SIGHUP is the last it takes a handler for; Node itself has one for SIGTERM from its start.
    await expect.poll(() => catches(watcher, 1)).toBe(true)

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(watcher, signal)
    expect(jsonOf(await callTool(child, 'echo', { a: 1 }))).toEqual({ a: 1 })
    expect(isAlive(watcher)).toBe(true)
    await bench[Symbol.asyncDispose]()

    await untilGone([watcher], 2_000)
  })
})

describe('stopping one child', () => {
  test('F07: one that ignores the end of stdin and SIGTERM is killed within 5 s', async () => {
    await using bench = new StdioBench()
    const child = await bench.child(['--stubborn'])
    const begun = performance.now()

    await child.close()

    expect((await child.exited).signal).toBe('SIGKILL')
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(isAlive(child.pid)).toBe(false)
  })

  test('F08: a tree is gone to the last member, also when its leader leaves in peace', async () => {
    await using bench = new StdioBench()
    const child = await bench.child(['--tree'])
    const { descendants } = jsonOf(await callTool(child, 'where'))
    expect(descendants.map(isAlive)).toEqual([true, true])

    await child.close()

    await untilGone([child.pid, ...descendants], 1_000)
  })

  test('F08: a tree is gone when its leader crashed', async () => {
    await using bench = new StdioBench()
    const child = await bench.child(['--tree'])
    const { descendants } = jsonOf(await callTool(child, 'where'))

    await expect(callTool(child, 'crash')).rejects.toMatchObject({ code: 'upstream_unavailable' })

    await untilGone([child.pid, ...descendants], 1_000)
  })

  test('a tame child ends by itself, without a signal', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    await child.close()

    expect(await child.exited).toMatchObject({ code: 0, signal: null, reason: 'closed by the gateway' })
  })
})
