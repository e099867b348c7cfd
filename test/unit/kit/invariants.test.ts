import { once } from 'node:events'
import { appendFileSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startArena, type Arena } from '../../kit/arena.ts'
import { honest, hostileTool, said, startHostileMcp, type HostileMcp } from '../../kit/hostile-mcp.ts'
import { checkLedger } from '../../kit/ledger-check.ts'
import { startProbe } from '../../kit/probe.ts'
import { openListen } from '../../support/raw-mcp.ts'

const CANARY = 'canary-7f3a9b'
const short = { withinMs: 300 }

let arena: Arena
let teller: HostileMcp
let child: HostileMcp

beforeAll(async () => {
  const call = { 'tools/call': (step: { result(result: object): void }) => step.result(said(CANARY)) }
  teller = await startHostileMcp('http', honest({ tools: () => [hostileTool('tell')] }, call))
  child = await startHostileMcp('stdio', honest({ tools: () => [hostileTool('start')], era: 'legacy' }))
  const servers = { teller: teller.file, child: { ...child.file, era: 'legacy', idleMs: 1_000 } }
  arena = await startArena({ servers, canaries: [CANARY] })
  await arena.offers('tell')
}, 30_000)

afterAll(async () => {
  await arena[Symbol.asyncDispose]()
  await teller[Symbol.asyncDispose]()
  await child[Symbol.asyncDispose]()
})

describe('the invariants', () => {
  it('hold for a gateway nobody attacks', async () => {
    expect(await arena.attack(async () => undefined)).toEqual([])
  }, 20_000)

  it('notice a stream that stays open', async () => {
    const stop = new AbortController()
    const headers = { authorization: `Bearer ${arena.token}` }

    const broken = await arena.attack(
      async () => void (await openListen(`${arena.gateway.url}/mcp`, headers, stop.signal)),
      short,
    )
    stop.abort()

    expect(broken).toEqual(['tollgate_streams went from 0 to 1'])
  })

  it('notice connections that stay open', async () => {
    const port = Number(new URL(arena.gateway.url).port)
    const sockets: Socket[] = []

    const broken = await arena.attack(async () => {
      sockets.push(...Array.from({ length: 12 }, () => connect(port, '127.0.0.1')))
      await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    }, short)
    for (const socket of sockets) socket.destroy()

    expect(broken).toEqual([expect.stringMatching(/^open descriptors went from \d+ to \d+$/)])
  })

  it('notice memory that stays', async () => {
    const broken = await arena.attack(async () => undefined, {
      ...short,
      heapBytes: -1_000_000_000,
      residentBytes: -10_000_000_000,
    })

    expect(broken).toEqual([expect.stringMatching(/^resident memory went from/), expect.stringMatching(/^the heap went from/)])
  })

  it('notice an entry that is missing', async () => {
    const missing = await checkLedger({ ...arena.admin, state: join(arena.folder, '.tollgate') }, ['never-happened'])

    expect(missing).toEqual(['1 answered exchanges have no entry, such as never-happened'])
  })

  it('notice a secret in an answer', async () => {
    const broken = await arena.attack(async () => void (await arena.call('tell')))

    expect(broken).toEqual(['canary 0 is in answers to callers'])
  }, 20_000)

  it('notice a probe that is answered wrongly or late', async () => {
    const port = Number(new URL(arena.gateway.url).port)
    await using wrong = startProbe({ url: `http://127.0.0.1:${port}`, token: arena.token, boundMs: 0 })

    await wrong.rounds(2)

    const { failures } = wrong.report()
    expect(failures).toEqual(expect.arrayContaining([expect.stringMatching(/^tool 1: 200 .*-32602/)]))
    expect(failures).toEqual(expect.arrayContaining([expect.stringMatching(/^model 2: 404 /)]))
    expect(failures).toEqual(expect.arrayContaining([expect.stringMatching(/: took \d+ ms$/)]))
  })

  it('notice a line of the journal that is none', async () => {
    const ledger = join(arena.folder, '.tollgate/ledger')
    const journal = readdirSync(ledger).find((name) => name.startsWith('journal-')) ?? ''

    const broken = await arena.attack(async () => appendFileSync(join(ledger, journal), 'no entry\n'), short)

    expect(broken).toEqual(expect.arrayContaining([expect.stringMatching(/journal-1\.log has a corrupt line$/)]))
  })

  it('notice a gateway that ended', async () => {
    const broken = await arena.attack(async () => void (await arena.gateway.kill('SIGKILL')), short).catch(String)

    expect(String(broken)).toMatch(/the gateway ended with SIGKILL|fetch failed/)
  })
})
