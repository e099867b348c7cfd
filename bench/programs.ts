import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { writeGatewayFolder, type Upstreams } from './gateway-folder.ts'

/** A program under measurement. */
export interface Program extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
  /** Whether it speaks dialects that the mock behind it does not. */
  readonly translates: boolean
  /** CPU it used so far, in microseconds. */
  cpu(): number
  /** Resident memory in MiB. */
  memory(): number
}

const TICKS_PER_SECOND = 100 // USER_HZ of every Linux that Node runs on
const root = join(import.meta.dirname, '..')

/** Starts a script of this folder; resolves when its port answers. */
export async function startNode(name: string, port: number, [file = '', ...args]: readonly string[]): Promise<Program> {
  return await start(name, port, [process.execPath, join(import.meta.dirname, file), ...args])
}

/** Starts nginx as a pass-through with one worker, when this machine has it. */
export async function startNginx(folder: string, port: number, upstreamPort: number): Promise<Program | undefined> {
  const binary = ['/usr/sbin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'].find((path) => existsSync(path))
  if (binary === undefined) return undefined
  const home = join(folder, 'nginx')
  mkdirSync(home)
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${home}/${kind};`).join(' ')
  const proxy = 'proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'
  writeFileSync(
    join(home, 'conf'),
    `daemon off; master_process off; pid ${home}/pid; error_log ${home}/err;
events { worker_connections 8192; multi_accept on; }
http { access_log off; ${paths} keepalive_requests 10000000; tcp_nodelay on;
 upstream u { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 10000000; }
 server { listen 127.0.0.1:${port}; location / { ${proxy} } } }
`,
  )
  return await start('nginx', port, [binary, '-p', home, '-c', join(home, 'conf')])
}

/** Starts the gateway with a token to verify, a catalog, limits, the ledger and a log line per call. */
export async function startGateway(folder: string, port: number, upstreams: Upstreams): Promise<Program> {
  const token = await writeGatewayFolder(folder, port, upstreams)
  const gateway = [process.execPath, join(root, 'src/main.ts'), 'start', '--config', join(folder, 'tollgate.json')]
  return { ...(await start('tollgate', port, gateway)), translates: true, headers: { authorization: `Bearer ${token}` } }
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  server.close()
  await once(server, 'close')
  return port
}

const STARTED_MS = 15_000
const POLL_MS = 20

async function start(name: string, port: number, [command = '', ...args]: readonly string[]): Promise<Program> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const end = performance.now() + STARTED_MS
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > end) throw new Error(`${name} did not start`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return {
    name,
    pid: child.pid ?? 0,
    origin: `http://127.0.0.1:${port}`,
    headers: {},
    translates: false,
    cpu: () => cpuOf(child),
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** User and system time of all threads: fields 14 and 15 of proc(5) stat; the second field may hold blanks. */
function cpuOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1_000_000
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(socket.destroy() !== undefined))
    socket.once('error', () => resolve(false))
  })
}
