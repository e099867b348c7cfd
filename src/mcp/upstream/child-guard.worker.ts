// A process of its own that outlives the gateway for a moment. Three steps: the gateway tells it the children's process groups as lines
// ("+123", "-123") on stdin; when stdin ends, the gateway is gone, however it died; what is still there then gets SIGTERM and, two seconds
// later, SIGKILL. It does not find a process that left its group on purpose (a daemon that calls setsid).
const TERM_MS = 2_000
const POLL_MS = 100

const groups = new Set<number>()
const isWindows = process.platform === 'win32'
let rest = ''

// Whoever asks the gateway to stop must not take this process away before it: only the end of stdin ends it.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)

process.stdin.setEncoding('latin1')
process.stdin.on('data', (text: string) => {
  const lines = (rest + text).split('\n')
  rest = lines.pop() ?? ''
  for (const line of lines) note(line)
})
process.stdin.on('end', endAll)
process.stdin.on('error', endAll)

function note(line: string): void {
  const pid = Number(line.slice(1))
  if (!Number.isSafeInteger(pid) || pid < 2) return
  if (line.startsWith('+')) groups.add(pid)
  else groups.delete(pid)
}

function endAll(): void {
  const deadline = Date.now() + TERM_MS
  for (const pid of groups) signalGroup(pid, 'SIGTERM')
  const poll = setInterval(() => {
    const isLate = Date.now() >= deadline
    for (const pid of groups) if (!signalGroup(pid, isLate ? 'SIGKILL' : 0)) groups.delete(pid)
    if (isLate || groups.size === 0) clearInterval(poll)
  }, POLL_MS)
}

/** Returns whether anybody was there. */
function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(isWindows ? pid : -pid, signal)
  } catch {
    return false
  }
}
