import { createServer } from 'node:http'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { isMetadataAddress, isSpecialAddress } from '../../../src/lib/address.ts'
import { createEgress, EgressError, type Egress } from '../../../src/lib/egress.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

function egressWith(allow: string[], ports: number[] = [443]): Egress {
  const egress = createEgress({ allow, ports })
  closers.push(() => egress.close())
  return egress
}

async function listen(handler: Parameters<typeof createServer>[1]): Promise<{ url: string; port: number }> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as { port: number } // a TCP server has an address object
  return { url: `http://127.0.0.1:${port}/`, port }
}

const bounds = { timeoutMs: 2_000, maxBytes: 1_000 }

describe('addresses', () => {
  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    '::1',
    'fc00::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '::ffff:8.8.8.8',
    '::ffff:169.254.169.254',
    '::ffff:7f00:1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2001:0:1::1',
    '2001:db8::1',
    'not an address',
    '',
  ])('K01-K03 %s is special', (address) => {
    expect(isSpecialAddress(address)).toBe(true)
  })

  test.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '2a00:1450::1'])('%s is ordinary', (address) => {
    expect(isSpecialAddress(address)).toBe(false)
  })

  test.each(['169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe', 'fe80::1', 'fd00:ec2::254'])(
    '%s is metadata',
    (address) => {
      expect(isMetadataAddress(address)).toBe(true)
    },
  )
})

describe('egress', () => {
  test.each([
    ['K08 file', 'file:///etc/passwd'],
    ['K08 gopher', 'gopher://127.0.0.1/'],
    ['K08 data', 'data:text/plain,x'],
    ['K09 blank', 'http://a b/'],
    ['K09 line break', 'http://a/\r\nx'],
    ['K09 backslash', 'http://a\\b/'],
    ['K09 credentials', 'http://user:word@example.com/'],
    ['K09 dash', '-http://a/'],
    ['K01 metadata', 'http://169.254.169.254/latest'],
    ['K02 metadata in IPv6', 'http://[::ffff:169.254.169.254]/'],
    ['K03 metadata in NAT64', 'http://[64:ff9b::a9fe:a9fe]/'],
    ['K04 metadata in decimal', 'http://2852039166/'],
    ['K04 metadata in full width', 'http://１６９.254.169.254/'],
  ])('%s is refused', async (_name, url) => {
    await expect(egressWith([]).fetch(url, bounds)).rejects.toMatchObject({ name: 'EgressError', reason: 'refused' })
  })

  test.each(['http://127.0.0.1:1/', 'http://[::1]:1/', 'http://2130706433:1/', 'http://0x7f.1:1/'])(
    'a stranger cannot name %s',
    async (url) => {
      await expect(egressWith([]).fetch(url, { ...bounds, literalAllowed: false })).rejects.toMatchObject({ reason: 'refused' })
    },
  )

  test('a name that resolves to a private address is refused, and reached once it is allowed', async () => {
    const { port } = await listen((_request, response) => response.end('here'))

    const refused = egressWith([]).fetch(`http://localhost:${port}/`, { ...bounds, literalAllowed: false })
    await expect(refused).rejects.toMatchObject({ reason: 'refused' })
    for (const allow of [['127.0.0.0/8', '::1'], [`localhost:${port}`]]) {
      const answer = await egressWith(allow, [port]).fetch(`http://localhost:${port}/`, { ...bounds, literalAllowed: false })
      expect(answer.body.toString()).toBe('here')
    }
  })

  test.each(['127.0.0.1', 'localhost'])('%s in a file of the operator is allowed as written', async (host) => {
    const { port } = await listen((_request, response) => response.end('here'))

    expect((await egressWith([]).fetch(`http://${host}:${port}/`, bounds)).status).toBe(200)
  })

  test('K07 redirects are not followed', async () => {
    const { url } = await listen((_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end())

    expect(await egressWith([]).fetch(url, bounds)).toMatchObject({
      status: 302,
      headers: { location: 'http://169.254.169.254/' },
    })
  })

  test('K13 a large answer is cut at the cap', async () => {
    const { url } = await listen((_request, response) => response.end('x'.repeat(5_000)))

    await expect(egressWith([]).fetch(url, bounds)).rejects.toMatchObject({ reason: 'too-large' })
  })

  test('K13 a slow answer ends at the deadline', async () => {
    const { url } = await listen((_request, response) => response.write('x'))

    await expect(egressWith([]).fetch(url, { ...bounds, timeoutMs: 100 })).rejects.toMatchObject({ reason: 'timeout' })
  })

  test('K14 a failure says nothing about the target', async () => {
    const failure = await egressWith([])
      .fetch('http://127.0.0.1:1/', bounds)
      .catch((error: unknown) => error)

    expect(failure).toBeInstanceOf(EgressError)
    expect(failure).toMatchObject({ message: 'the server cannot be reached' })
  })

  test('a wrong entry in the allow list is named', () => {
    expect(() => createEgress({ allow: ['10.0.0.0/99'] })).toThrow('10.0.0.0/99')
  })
})
