import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

// A stand-alone model provider that does as little as possible, on the Chat Completions wire: `node bench/mock-model.ts <port>`. The name of
// the model says how it answers: `mock?size=600` bytes of text, `mock?chunks=200&delay=5` pieces so many milliseconds apart,
// `mock?hold=1` one piece and then silence until the caller leaves. servers/providers/ can do everything; this one is fast.

interface Manner {
  readonly size: number
  readonly chunks: number
  readonly delay: number
  readonly hold: number
}

interface Frames {
  readonly first: Buffer
  readonly piece: Buffer
  readonly last: Buffer
}

const USAGE = { prompt_tokens: 100, completion_tokens: 150, total_tokens: 250 }
const HEAD = { id: 'chatcmpl-mock', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'mock' }
const MODEL = /"model"\s*:\s*"([^"]*)"/
const STREAM = /"stream"\s*:\s*true/

const manners = new Map<string, Manner>()
const answers = new Map<number, Buffer>()

function mannerOf(model: string): Manner {
  const known = manners.get(model)
  if (known !== undefined) return known
  const said = new URLSearchParams(model.split('?')[1] ?? '')
  const number = (name: string, usual: number) => Number(said.get(name) ?? usual)
  const manner = { size: number('size', 600), chunks: number('chunks', 20), delay: number('delay', 0), hold: number('hold', 0) }
  manners.set(model, manner)
  return manner
}

function wholeAnswer(size: number): Buffer {
  const known = answers.get(size)
  if (known !== undefined) return known
  const message = { role: 'assistant', content: 'x'.repeat(size), refusal: null }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }]
  const made = Buffer.from(JSON.stringify({ ...HEAD, object: 'chat.completion', choices, usage: USAGE }))
  answers.set(size, made)
  return made
}

const frame = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ ...HEAD, choices: [{ index: 0, delta, finish_reason: finish }], usage: null })}\n\n`
const FRAMES: Frames = {
  first: Buffer.from(frame({ role: 'assistant', content: '' })),
  piece: Buffer.from(frame({ content: ' token' })),
  last: Buffer.from(`${frame({}, 'stop')}data: ${JSON.stringify({ ...HEAD, choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`),
}

function stream(response: ServerResponse, { chunks, delay, hold }: Manner): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  response.socket?.setNoDelay(true)
  response.write(FRAMES.first)
  response.write(FRAMES.piece)
  if (hold > 0) return
  let left = chunks - 1
  const step = (): void => {
    if (response.destroyed) return
    if (left-- <= 0) return void response.end(FRAMES.last)
    const isFree = response.write(FRAMES.piece)
    if (delay > 0) setTimeout(step, delay)
    else if (isFree) setImmediate(step)
    else response.once('drain', step)
  }
  if (delay > 0) setTimeout(step, delay)
  else setImmediate(step)
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    // What matters stands at either end of a large body; the words between are not looked at.
    const edges =
      body.length > 4_096
        ? body.toString('latin1', 0, 2_048) + body.toString('latin1', body.length - 2_048)
        : body.toString('latin1')
    const manner = mannerOf(MODEL.exec(edges)?.[1] ?? 'mock')
    if (STREAM.test(edges)) return stream(response, manner)
    const bytes = wholeAnswer(manner.size)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes)
  })
}

const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, answer)
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 })
