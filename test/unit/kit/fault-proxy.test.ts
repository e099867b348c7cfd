import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createRandom, startFaultProxy } from '../../kit/fault-proxy.ts'

/** A server that answers each connection with what it is sent. */
async function startEcho(): Promise<AsyncDisposable & { readonly port: number; readonly open: Set<Socket> }> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    port,
    open,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** A caller, with what it got, in pieces, and how its connection ended. */
function call(port: number): { socket: Socket; pieces: string[]; ended: Promise<string>; text(): string } {
  const socket = connect(port, '127.0.0.1')
  const pieces: string[] = []
  const ended = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    socket.on('close', () => resolve('closed'))
  })
  socket.on('data', (chunk: Buffer) => pieces.push(chunk.toString()))
  return { socket, pieces, ended, text: () => pieces.join('') }
}

describe('the fault proxy', () => {
  it('without faults passes everything, both ways, to the end', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port)
    const caller = call(proxy.port)

    caller.socket.end('x'.repeat(300_000))

    expect(await caller.ended).toBe('closed')
    expect(caller.text()).toHaveLength(300_000)
    await expect.poll(proxy.open).toBe(0)
    expect(echo.open.size).toBe(0)
  })

  it.each(['reset', 'close'] as const)('ends an answer at byte 5 by a %s, and the caller has the 5 bytes', async (cut) => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port, { cutAtByte: 5, cut })
    const caller = call(proxy.port)

    caller.socket.write('0123456789')

    expect(await caller.ended).toBe(cut === 'reset' ? 'ECONNRESET' : 'closed')
    expect(caller.text()).toBe('01234')
    await expect.poll(() => echo.open.size).toBe(0)
  })

  it('resets at once what it refuses', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port, { refuse: true })
    const caller = call(proxy.port)

    expect(await caller.ended).toBe('ECONNRESET')
    expect([proxy.accepted(), echo.open.size]).toEqual([1, 0])
  })

  it('swallows until told otherwise', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port, { swallow: true })
    const caller = call(proxy.port)
    caller.socket.write('lost')
    await expect.poll(() => caller.socket.bytesWritten).toBe(4)
    await expect.poll(() => proxy.open()).toBe(1)

    await new Promise((resolve) => setTimeout(resolve, 50)) // nothing comes: there is no event for that
    proxy.become({})
    caller.socket.write('kept')

    await expect.poll(caller.text).toBe('kept')
    caller.socket.destroy()
  })

  it('frozen reads nothing and closes nothing; thawed, everything comes', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port, { freeze: true })
    const caller = call(proxy.port)
    const wanted = 4_000_000

    const taken = caller.socket.write('x'.repeat(wanted))
    caller.socket.end()
    await expect.poll(() => echo.open.size).toBe(1)
    expect([taken, caller.text()]).toEqual([false, ''])

    proxy.become({})
    expect(await caller.ended).toBe('closed')
    expect(caller.text()).toHaveLength(wanted)
  })

  it('is late by the latency, in both directions', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port, { latencyMs: 60, jitterMs: 10 })
    const caller = call(proxy.port)
    const began = performance.now()

    caller.socket.end('x')
    await caller.ended

    expect(performance.now() - began).toBeGreaterThan(115)
  })

  it('keeps to the bandwidth and to the size of pieces', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port, { bytesPerSecond: 100, sliceBytes: 5 })
    const caller = call(proxy.port)
    const began = performance.now()

    caller.socket.end('0123456789')
    await caller.ended

    expect(caller.pieces.length).toBeGreaterThanOrEqual(2)
    expect(performance.now() - began).toBeGreaterThan(140)
  })

  it('tells the end of one side late', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port, { slowCloseMs: 80 })
    const caller = call(proxy.port)
    const began = performance.now()

    caller.socket.end('x')
    await caller.ended

    expect(performance.now() - began).toBeGreaterThan(150)
    expect(caller.text()).toBe('x')
  })

  it('resets all connections on demand', async () => {
    await using echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port)
    const callers = [call(proxy.port), call(proxy.port)]
    await expect.poll(() => echo.open.size).toBe(2)

    proxy.resetAll()

    expect(await Promise.all(callers.map(({ ended }) => ended))).toEqual(['ECONNRESET', 'ECONNRESET'])
    await expect.poll(proxy.open).toBe(0)
  })

  it('a server that is not there is a reset', async () => {
    const echo = await startEcho()
    await using proxy = await startFaultProxy(echo.port)
    await echo[Symbol.asyncDispose]()

    expect(await call(proxy.port).ended).toBe('ECONNRESET')
  })

  it('draws the same numbers from the same seed', () => {
    const [one, two, other] = [createRandom(7), createRandom(7), createRandom(8)]
    const draws = Array.from({ length: 5 }, one)

    expect(Array.from({ length: 5 }, two)).toEqual(draws)
    expect(Array.from({ length: 5 }, other)).not.toEqual(draws)
    expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true)
  })
})
