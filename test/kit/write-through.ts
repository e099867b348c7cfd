import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** Writes, and waits until the other side takes more or is gone. */
export async function writeThrough(stream: Writable, bytes: string | Buffer): Promise<void> {
  if (bytes.length === 0 || stream.destroyed || stream.write(bytes)) return
  const settled = new AbortController()
  const { signal } = settled
  // A stream that breaks meanwhile is gone: that is no failure of whoever writes to it.
  await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]).catch(() => undefined)
  settled.abort()
}
