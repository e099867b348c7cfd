import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../core/errors.ts'

/** Reads a request body whole, refusing it before more than `maxBytes` are held. Encoded bodies are not taken. */
export function readBody(request: IncomingMessage, options: { maxBytes: number; timeoutMs: number }): Promise<Buffer> {
  const { maxBytes, timeoutMs } = options
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    return Promise.reject(new GatewayError('unsupported_media_type', 'content-encoding is not supported on requests'))
  }
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > maxBytes) return Promise.reject(tooLarge(maxBytes))

  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(
      () => finish(new GatewayError('request_timeout', `the body did not arrive within ${timeoutMs} ms`)),
      timeoutMs,
    )
    const finish = (error?: GatewayError): void => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      if (error !== undefined) reject(error)
      else resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size))
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > maxBytes) finish(tooLarge(maxBytes))
      else chunks.push(chunk)
    }
    const onEnd = (): void => finish()
    const onGone = (): void => finish(new GatewayError('abandoned', 'the caller hung up before the body was complete'))
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `the body is larger than ${maxBytes} bytes`)
}
