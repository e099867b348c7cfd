// Group K of the catalogue, and the rows of B and R6 about what goes out and comes back: every address in every spelling, names that change
// their mind, redirects, ports, proxies, answers without end. Nothing here leaves loopback: a resolver of the test says what names mean.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { createEgress, type Egress, type EgressOptions } from '../../src/lib/egress.ts'
import type { Resolve } from '../../src/lib/egress-policy.ts'

const stack: (() => unknown)[] = []
afterEach(async () => {
  for (const close of stack.splice(0).toReversed()) await close()
})

function openEgress(options: Partial<EgressOptions> = {}): Egress {
  const egress = createEgress({ allow: [], ...options })
  stack.push(() => egress.close())
  return egress
}

/** An HTTP server that remembers what it was asked. */
async function serve(
  answer: RequestListener,
  host = '127.0.0.1',
): Promise<{ url: string; port: number; seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    answer(request, response)
  }).listen(0, host)
  await once(server, 'listening')
  stack.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return { url: `http://${host}:${port}/`, port, seen }
}

/** A resolver that gives these answers one after the other, the last one again and again. */
function resolver(...answers: readonly (readonly string[])[]): Resolve & { readonly asked: string[] } {
  const asked: string[] = []
  const resolve: Resolve = (name, _options, callback) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? []
    asked.push(name)
    queueMicrotask(() =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    )
  }
  return Object.assign(resolve, { asked })
}

const BOUNDS = { timeoutMs: 2_000, maxBytes: 262_144 }
const STRANGER = { ...BOUNDS, literalAllowed: false }
const REFUSED = { name: 'EgressError', reason: 'refused' }

const INTERNAL = [
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '169.254.169.254',
  '169.254.170.2',
  '100.64.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '198.18.0.1',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
]
const INTERNAL_IPV6 = [
  '::',
  '::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  '::ffff:169.254.169.254',
  '::ffff:7f00:1',
  '::ffff:0:127.0.0.1',
  '::127.0.0.1',
  '::a9fe:a9fe',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::127.0.0.1',
  '64:ff9b:1::a9fe:a9fe',
  '2002:7f00:1::',
  '2002:a9fe:a9fe::1',
  '2001:0:a9fe:a9fe::1',
  '2001:db8::1',
  '100::1',
  '3fff::1',
  '5f00::1',
]
const METADATA = ['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16']
const METADATA_IPV6 = [
  'fd00:ec2::254',
  'fe80::a9fe:a9fe',
  '::ffff:169.254.169.254',
  '::ffff:100.100.100.200',
  '::a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  '2002:6464:64c8::1',
]

describe('addresses', () => {
  test.each([...INTERNAL, ...INTERNAL_IPV6.map((address) => `[${address}]`)])(
    'K01, K02, K03 a stranger cannot name %s',
    async (host) => {
      await expect(openEgress().fetch(`https://${host}/`, STRANGER)).rejects.toMatchObject(REFUSED)
    },
  )

  test.each([...INTERNAL, ...INTERNAL_IPV6])('K05: nobody reaches %s by a name', async (address) => {
    const resolve = resolver([address])
    const egress = openEgress({ resolve })

    for (const bounds of [BOUNDS, STRANGER])
      await expect(egress.fetch('https://10-0-0-1.nip.example/', bounds)).rejects.toMatchObject(REFUSED)
    expect(resolve.asked.length).toBeGreaterThan(0)
  })

  test.each([...METADATA, ...METADATA_IPV6.map((address) => `[${address}]`)])(
    'K01, K02, K03 the operator names %s in vain until it is allowed',
    async (host) => {
      expect(() => openEgress().dispatcher(`http://${host}/`, { literalAllowed: true, connectTimeoutMs: 1_000 })).toThrow(
        'list it in egress.allow',
      )
      expect(() =>
        openEgress({ allow: [host.replaceAll(/[[\]]/g, '')] }).dispatcher(`http://${host}/`, {
          literalAllowed: true,
          connectTimeoutMs: 1_000,
        }),
      ).not.toThrow()
    },
  )

  test.each([
    ['decimal', '2852039166'],
    ['octal', '0251.0376.0251.0376'],
    ['hex', '0xa9.0xfe.0xa9.0xfe'],
    ['hex in one', '0xA9FEA9FE'],
    ['octal in one', '025177524776'],
    ['mixed', '169.0xfe.0251.254'],
    ['short', '169.254.43518'],
    ['a dot at its end', '169.254.169.254.'],
    ['full-width digits', '１６９.２５４.１６９.２５４'],
    ['full-width dots', '169。254。169。254'],
    ['circled digits', '①⑥⑨.②⑤④.①⑥⑨.②⑤④'],
    ['percent escapes', '%31%36%39.254.169.254'],
    ['leading zeros', '[0000:0000:0000:0000:0000:ffff:a9fe:a9fe]'],
    ['capital letters', '[::FFFF:A9FE:A9FE]'],
  ])('K04: the metadata address in %s is the metadata address', async (_name, host) => {
    for (const bounds of [BOUNDS, STRANGER])
      await expect(openEgress().fetch(`http://${host}/`, bounds)).rejects.toMatchObject(REFUSED)
  })

  test.each(['[fe80::1%eth0]', '[fe80::1%25eth0]', '[::1%lo]', '256.256.256.256', '0x100000000', '1.2.3.4.5', '[::g]'])(
    'K04: %s is no host',
    async (host) => {
      await expect(openEgress().fetch(`http://${host}/`, BOUNDS)).rejects.toMatchObject(REFUSED)
    },
  )

  test.each(['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'a.b.localhost.', 'ＬＯＣＡＬＨＯＳＴ'])(
    'K05: a stranger cannot name %s',
    async (host) => {
      await expect(openEgress({ resolve: resolver(['127.0.0.1']) }).fetch(`https://${host}/`, STRANGER)).rejects.toMatchObject(
        REFUSED,
      )
    },
  )
})

describe('names that change', () => {
  test('K06: mixed answers are refused as a whole, whatever their order', async () => {
    for (const addresses of [
      ['8.8.8.8', '10.0.0.1'],
      ['10.0.0.1', '8.8.8.8'],
      ['2606:4700::1111', '::1'],
    ]) {
      await expect(openEgress({ resolve: resolver(addresses) }).fetch('https://mixed.example/', BOUNDS)).rejects.toMatchObject(
        REFUSED,
      )
    }
  })

  test('K06: a name without addresses is unreachable', async () => {
    await expect(openEgress({ resolve: resolver([]) }).fetch('https://empty.example/', BOUNDS)).rejects.toMatchObject({
      reason: 'unreachable',
    })
  })

  test('K06: the connection goes to the address that was checked, and the name is asked once for it', async () => {
    const { port, seen } = await serve((_request, response) => response.end('right'))
    const resolve = resolver(['127.0.0.1'], ['127.0.0.9'])
    const egress = openEgress({ allow: ['127.0.0.1/32'], ports: [port], resolve })

    const answer = await egress.fetch(`http://changing.example:${port}/`, STRANGER)

    expect([answer.body.toString(), seen[0]?.headers.host]).toEqual(['right', `changing.example:${port}`])
    expect(resolve.asked).toEqual(['changing.example'])
  })

  test('K10: a name that was fine is refused at its next connection when it means something else by then', async () => {
    const { port, seen } = await serve((_request, response) => response.writeHead(200, { connection: 'close' }).end('right'))
    const egress = openEgress({ allow: ['127.0.0.1/32'], ports: [port], resolve: resolver(['127.0.0.1'], ['127.0.0.9']) })
    const ask = () => egress.fetch(`http://changing.example:${port}/`, STRANGER)

    expect((await ask()).status).toBe(200)
    await expect(ask()).rejects.toMatchObject(REFUSED)
    expect(seen.length).toBe(1)
  })
})

describe('URLs', () => {
  test.each([
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_SET',
    'ftp://ftp.example/',
    'unix:/var/run/docker.sock',
    'http+unix://%2Fvar%2Frun%2Fdocker.sock/info',
    'data:application/json,{}',
    'javascript:alert(1)',
    'ws://example.com/',
    'blob:https://example.com/x',
    'jar:http://example.com!/',
    'dict://127.0.0.1:11211/',
    'ldap://example.com/',
    'about:blank',
    '//example.com/',
    '/etc/passwd',
    '',
  ])('K08: %s is refused', async (url) => {
    await expect(openEgress().fetch(url, BOUNDS)).rejects.toMatchObject(REFUSED)
  })

  test.each([
    '-http://example.com/',
    '--proxy=http://evil.example',
    ' https://example.com/',
    'https://example.com/ ',
    'https://exa mple.com/',
    'https://example.com/a b',
    'https://example.com/\r\nHost: evil.example',
    'https://example.com/\nX: y',
    'https://example.com/\ta',
    'https://example.com\\@evil.example/',
    'https:\\\\example.com/',
    'https://user:word@example.com/',
    'https://user@example.com/',
    'https://:word@example.com/',
    'https://example.com@evil.example/',
    'https://example.com:443:80/',
    'https://example.com:99999/',
    'https://exam\u0000ple.com/',
  ])('K09: %j is refused', async (url) => {
    await expect(openEgress({ resolve: resolver(['8.8.8.8']) }).fetch(url, BOUNDS)).rejects.toMatchObject(REFUSED)
  })

  test.each([80, 8080, 22, 6379, 8443, 1])('K15: a stranger cannot name port %i', async (port) => {
    const resolve = resolver(['8.8.8.8'])

    await expect(openEgress({ resolve }).fetch(`http://example.com:${port}/`, STRANGER)).rejects.toMatchObject(REFUSED)
    expect(resolve.asked).toEqual([])
  })

  test('K15: a port that is listed, or that stands beside its host in egress.allow, may be named', async () => {
    const { port } = await serve((_request, response) => response.end('here'))
    const resolve = resolver(['127.0.0.1'])
    const url = `http://keys.example:${port}/`

    const listed = await openEgress({ resolve, allow: ['127.0.0.1'], ports: [443, port] }).fetch(url, STRANGER)
    const named = await openEgress({ resolve, allow: [`keys.example:${port}`] }).fetch(url, STRANGER)

    expect([listed.status, named.status]).toEqual([200, 200])
    await expect(
      openEgress({ resolve, allow: ['127.0.0.1'], ports: [] }).fetch('https://keys.example/', STRANGER),
    ).rejects.toMatchObject(REFUSED)
  })
})

describe('answers', () => {
  test.each([301, 302, 303, 307, 308])('K07: a redirect with %i is an answer, not a way', async (status) => {
    const canary = await serve((_request, response) => response.end('secret'))
    const { url } = await serve((_request, response) => response.writeHead(status, { location: canary.url }).end())

    const answer = await openEgress().fetch(url, {
      ...BOUNDS,
      method: 'POST',
      headers: { authorization: 'Bearer a' },
      body: '{}',
    })

    expect([answer.status, canary.seen.length]).toEqual([status, 0])
  })

  test.each([
    ['with an honest length', (size: number): Record<string, string> => ({ 'content-length': String(size) })],
    ['in pieces', (): Record<string, string> => ({ 'transfer-encoding': 'chunked' })],
  ])('K13: a hundred megabytes %s are cut at the bound', async (_name, headers) => {
    const size = 100 * 1_048_576
    let sent = 0
    const { url } = await serve((_request, response) => {
      response.on('error', () => undefined)
      response.writeHead(200, headers(size))
      const more = (): void => {
        while (sent < size && response.writable) {
          sent += 65_536
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })

    await expect(openEgress().fetch(url, BOUNDS)).rejects.toMatchObject({ reason: 'too-large' })
    expect(sent).toBeLessThan(size / 2)
  })

  test('K13: what comes packed is not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(50 * 1_048_576))
    const { url, seen } = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb))

    const answer = await openEgress().fetch(url, BOUNDS)

    expect([answer.body.length, seen[0]?.headers['accept-encoding']]).toEqual([bomb.length, 'identity'])
  })

  test.each([
    ['headers', ''],
    ['a body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'],
  ])('K13: %s that comes byte by byte ends at the deadline', async (_name, head) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined).write(head)
      const timer = setInterval(() => socket.write('H'), 100)
      socket.on('close', () => clearInterval(timer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    stack.push(() => server.close())
    const { port } = server.address() as AddressInfo // node:net: what a TCP server has
    const started = performance.now()

    await expect(openEgress().fetch(`http://127.0.0.1:${port}/`, { ...BOUNDS, timeoutMs: 400 })).rejects.toMatchObject({
      name: 'EgressError',
    })
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('K14: a closed port, another protocol, a hang-up and a wrong name all read the same', async () => {
    const banner = createTcpServer((socket) =>
      socket.on('error', () => undefined).end('SSH-2.0-OpenSSH_9.6 secret-host\r\n'),
    ).listen(0, '127.0.0.1')
    const hangUp = createTcpServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await Promise.all([once(banner, 'listening'), once(hangUp, 'listening')])
    stack.push(
      () => banner.close(),
      () => hangUp.close(),
    )
    const portOf = (server: typeof banner) => (server.address() as AddressInfo).port // node:net: what a TCP server has
    const urls = [
      'http://127.0.0.1:1/',
      `http://127.0.0.1:${portOf(banner)}/`,
      `https://127.0.0.1:${portOf(banner)}/`,
      `http://127.0.0.1:${portOf(hangUp)}/`,
    ]
    const egress = openEgress()

    const failures = await Promise.all(urls.map((url) => egress.fetch(url, BOUNDS).catch((error: unknown) => String(error))))

    expect(new Set(failures)).toEqual(new Set(['EgressError: the server cannot be reached']))
  })
})

/** An outbound proxy that resolves every name to this machine. */
async function startProxy(answer = 'HTTP/1.1 200 Connection Established\r\n\r\n'): Promise<{ url: string; heads: string[] }> {
  const heads: string[] = []
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (chunk: Buffer) => {
      const head = chunk.toString()
      heads.push(head)
      const [, port = '0'] = /^CONNECT \S+:(\d+) /.exec(head) ?? []
      if (!answer.startsWith('HTTP/1.1 200')) return void socket.end(answer)
      const target = connect(Number(port), '127.0.0.1', () => socket.write(answer))
      target
        .on('error', () => socket.destroy())
        .pipe(socket)
        .pipe(target)
      socket.on('close', () => target.destroy())
    })
    stack.push(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.push(() => server.close())
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return { url: `http://127.0.0.1:${port}`, heads }
}

describe('an outbound proxy', () => {
  test('K16: every target gets a tunnel, by the name it has, and never sees the credentials of the proxy', async () => {
    const { port, seen } = await serve((_request, response) => response.end('through'))
    const proxy = await startProxy()
    const resolve = resolver(['10.0.0.1'])
    const egress = openEgress({ resolve, proxy: { url: proxy.url, credentials: 'gate:hidden-word', direct: [] } })
    const ask = () =>
      egress.fetch(`http://models.example:${port}/v1?a=b`, { ...BOUNDS, headers: { authorization: 'Bearer own' } })

    const answers = [await ask(), await ask(), await ask(), await ask()]

    expect(answers.map(({ body }) => body.toString())).toEqual(['through', 'through', 'through', 'through'])
    expect(proxy.heads.length, 'tunnels are used again').toBeLessThanOrEqual(2)
    expect(proxy.heads[0]).toMatch(new RegExp(`^CONNECT models\\.example:${port} HTTP/1\\.1\\r\\n`))
    expect(proxy.heads[0]?.toLowerCase()).toContain(
      `proxy-authorization: basic ${Buffer.from('gate:hidden-word').toString('base64')}`.toLowerCase(),
    )
    expect(proxy.heads[0]).not.toContain('Bearer own')
    expect(seen.map(({ headers, url }) => [url, headers.host, headers.authorization])).toEqual(
      Array.from({ length: 4 }, () => ['/v1?a=b', `models.example:${port}`, 'Bearer own']),
    )
    expect(JSON.stringify(seen.map(({ rawHeaders }) => rawHeaders))).not.toMatch(/proxy-|hidden-word/i)
    expect(resolve.asked).toEqual([])
  })

  test.each([
    ['a host that is listed', 'tools.corp.example', ['*.corp.example']],
    ['localhost', 'localhost', []],
    ['a literal address that is not public', '127.0.0.1', []],
  ])('K16: %s is reached without it', async (_name, host, direct) => {
    const { port } = await serve((_request, response) => response.end('direct'))
    const proxy = await startProxy()
    const egress = openEgress({ allow: ['127.0.0.1'], resolve: resolver(['127.0.0.1']), proxy: { url: proxy.url, direct } })

    const answer = await egress.fetch(`http://${host}:${port}/`, BOUNDS)

    expect([answer.body.toString(), proxy.heads]).toEqual(['direct', []])
  })

  test('K16: metadata addresses and wrong URLs are refused before the proxy hears of them', async () => {
    const proxy = await startProxy()
    const egress = openEgress({ proxy: { url: proxy.url, direct: [] } })

    for (const url of ['http://169.254.169.254/', 'http://[fd00:ec2::254]/', 'file:///etc/passwd', 'http://a:b@example.com/'])
      await expect(egress.fetch(url, BOUNDS)).rejects.toMatchObject(REFUSED)
    expect(proxy.heads).toEqual([])
  })

  test('K16: what a stranger names must be public for us too', async () => {
    const proxy = await startProxy()
    const egress = openEgress({ resolve: resolver(['10.0.0.1']), proxy: { url: proxy.url, direct: [] } })

    await expect(egress.fetch('https://keys.example/', STRANGER)).rejects.toMatchObject(REFUSED)
    expect(proxy.heads).toEqual([])
  })

  test.each([
    ['asks for other credentials', 'HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n'],
    ['has no way', 'HTTP/1.1 502 Bad Gateway\r\n\r\n<b>internal-proxy-host</b>'],
    ['redirects', 'HTTP/1.1 302 Found\r\nlocation: http://evil.example/\r\n\r\n'],
    ['hangs up', ''],
    ['speaks nonsense', '\u0000\u0001\u0002'],
  ])('K16: a proxy that %s is a failure without its words', async (_name, answer) => {
    const proxy = await startProxy(answer)
    const egress = openEgress({ proxy: { url: proxy.url, credentials: 'gate:hidden-word', direct: [] } })

    const failure = await egress.fetch('https://models.example/', BOUNDS).catch((error: unknown) => error)

    expect(failure).toMatchObject({ name: 'EgressError', reason: 'unreachable' })
    expect(String(failure)).not.toMatch(/internal-proxy-host|hidden-word|evil/)
    expect(proxy.heads.length).toBeLessThanOrEqual(2)
  })

  test('K16: a proxy that says nothing ends at the deadline', async () => {
    const server = createTcpServer((socket) => stack.push(() => socket.destroy())).listen(0, '127.0.0.1')
    await once(server, 'listening')
    stack.push(() => server.close())
    const { port } = server.address() as AddressInfo // node:net: what a TCP server has
    const egress = openEgress({ proxy: { url: `http://127.0.0.1:${port}`, direct: [] } })

    await expect(egress.fetch('https://models.example/', { ...BOUNDS, timeoutMs: 300 })).rejects.toMatchObject({
      name: 'EgressError',
      reason: 'timeout',
    })
  })

  test('K16: a proxy that is not there is a failure like others', async () => {
    const egress = openEgress({ proxy: { url: 'http://127.0.0.1:1', direct: [] } })

    await expect(egress.fetch('https://models.example/', BOUNDS)).rejects.toMatchObject({ reason: 'unreachable' })
  })
})
