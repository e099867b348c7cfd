/** One small request in each dialect callers speak. */
export const DIALECTS = {
  chat: {
    path: '/v1/chat/completions',
    body: { messages: [{ role: 'user', content: 'hi' }], stream_options: { include_usage: true } },
  },
  responses: { path: '/v1/responses', body: { input: 'hi' } },
  messages: { path: '/v1/messages', body: { max_tokens: 50, messages: [{ role: 'user', content: 'hi' }] } },
} as const

type DialectName = keyof typeof DIALECTS

/** Whom to ask, in which words. */
export interface AskOptions {
  readonly dialect: DialectName
  readonly model: string
}

/** What became of a streamed answer, as a strict reader of its dialect sees it. */
export interface StreamReading {
  /** `complete`: the dialect's end came. `broken`: the dialect's own error came last. `refused`: an error status. `malformed`: anything else. */
  readonly kind: 'complete' | 'broken' | 'refused' | 'malformed'
  readonly text: string
}

type Json = Readonly<Record<string, unknown>>

/** Reads an answer strictly: every frame whole, JSON throughout, one ending of the dialect and nothing after it. */
export function readStream(dialect: DialectName, status: number, text: string): StreamReading {
  if (status !== 200) return { kind: isErrorBody(dialect, text) ? 'refused' : 'malformed', text }
  const frames = text.split('\n\n')
  if (frames.pop() !== '') return { kind: 'malformed', text }
  const data = frames.filter((frame) => !frame.startsWith(':')).map(dataOf)
  const last = data.pop()
  if (last === undefined || data.some((one) => one === undefined || isEnd(dialect, one) || isBreak(dialect, one)))
    return { kind: 'malformed', text }
  if (isEnd(dialect, last)) return { kind: 'complete', text }
  return { kind: isBreak(dialect, last) ? 'broken' : 'malformed', text }
}

function dataOf(frame: string): Json | '[DONE]' | undefined {
  const lines = frame.split('\n').filter((line) => line.startsWith('data: '))
  const others = frame.split('\n').filter((line) => !line.startsWith('data: ') && !line.startsWith('event: '))
  if (lines.length !== 1 || others.length > 0) return undefined
  const text = (lines[0] ?? '').slice(6)
  if (text === '[DONE]') return '[DONE]'
  try {
    return JSON.parse(text) as Json // a reader of the dialect takes it for an object as well
  } catch {
    return undefined
  }
}

function isEnd(dialect: DialectName, data: Json | '[DONE]'): boolean {
  if (data === '[DONE]') return dialect === 'chat'
  return data['type'] === (dialect === 'messages' ? 'message_stop' : 'response.completed') && dialect !== 'chat'
}

function isBreak(dialect: DialectName, data: Json | '[DONE]'): boolean {
  if (data === '[DONE]') return false
  if (dialect === 'chat') return typeof data['error'] === 'object' && data['error'] !== null
  return data['type'] === 'error' || data['type'] === 'response.failed'
}

function isErrorBody(dialect: DialectName, text: string): boolean {
  const body = JSON.parse(text) as Json
  const error = body['error'] as Json | undefined
  if (typeof error?.['message'] !== 'string' || typeof error['type'] !== 'string') return false
  return dialect !== 'messages' || body['type'] === 'error'
}
