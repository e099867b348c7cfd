import * as z from 'zod'

/** A JSON object as it came in; its members are looked at one by one. */
export type JsonRecord = Readonly<Record<string, unknown>>

/** Tells whether a value is a JSON object. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const Text = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)])
const Count = z.number().int().min(0)
const Ms = z.number().min(0)

/** Tokens by kind; the kinds are disjoint. */
export const Counts = z.strictObject({
  input: Count.default(0),
  cacheRead: Count.default(0),
  cacheWrite5m: Count.default(0),
  cacheWrite1h: Count.default(0),
  inputAudio: Count.default(0),
  inputImage: Count.default(0),
  output: Count.default(0),
  reasoning: Count.default(0),
  outputAudio: Count.default(0),
  webSearches: Count.default(0),
})
export type Counts = z.infer<typeof Counts>

const ToolCall = z.strictObject({
  name: z.string(),
  id: z.string().optional(),
  arguments: z.union([z.string(), z.record(z.string(), z.unknown()).transform((value) => JSON.stringify(value))]).default('{}'),
})

type ToolCall = z.infer<typeof ToolCall>

/** How one request is answered. Everything is optional: nothing said means a short correct answer. */
export const Behaviour = z.strictObject({
  text: Text.optional().describe('What the model says'),
  size: Count.optional().describe('Instead of text: so many bytes of it'),
  chunks: z.number().int().min(1).max(1_000_000).optional().describe('Pieces the text is streamed in'),
  reasoning: Text.optional().describe('What the model thinks before it speaks'),
  signature: Text.optional().describe('Proof of the thought, where the wire has one'),
  redacted: Text.optional().describe('An encrypted thought'),
  refusal: Text.optional().describe('A refusal instead of text, where the wire has one'),
  tools: z
    .union([
      z.string().transform((names) => names.split(',').map((name): ToolCall => ({ name, arguments: '{"city":"Oslo"}' }))),
      z.array(ToolCall),
    ])
    .optional()
    .describe('Calls the model proposes: names with commas, or { name, arguments, id }'),
  interleave: z.boolean().optional().describe('The pieces of several calls alternate'),
  pieces: z.number().int().min(1).optional().describe('Pieces the arguments of a call are streamed in'),
  withoutIds: z.boolean().optional().describe('Calls without an id (Gemini)'),
  finish: Text.optional().describe('stop, length, tool, filtered, or a word of the wire'),
  logprobs: z.boolean().optional(),
  usage: z
    .union([z.enum(['none', 'zero', 'garbled']), Counts])
    .optional()
    .describe('Default: counted from the bytes'),
  usageOn: z
    .enum(['ask', 'last', 'finish', 'every', 'x_groq'])
    .optional()
    .describe('Where a chat stream says it. Default: as asked'),
  firstOutput: Count.optional().describe('Output tokens in message_start'),
  dimensions: z.number().int().min(1).max(8192).optional().describe('Numbers in an embedding'),
  served: Text.optional().describe('The model the answer names'),
  latency: Ms.optional().describe('Milliseconds to the status line'),
  jitter: Ms.optional().describe('At most so many milliseconds more; seeded'),
  firstByte: Ms.optional().describe('Milliseconds from the headers to the first byte of the body'),
  delay: Ms.optional().describe('Milliseconds between chunks'),
  status: z.number().int().min(200).max(599).optional().describe('An error with the body of the wire'),
  code: Text.optional().describe('Code, type or exception of the error'),
  message: Text.optional().describe('Words of the error'),
  rawBody: z.string().optional().describe('This body, whatever the wire says'),
  contentType: z.string().optional(),
  retryAfter: Text.optional().describe('The header of an error; text as it is sent'),
  retryAfterMs: Text.optional(),
  headers: z.record(z.string(), z.string()).optional().describe('Further headers of the answer'),
  error200: z.boolean().optional().describe('The error body with status 200'),
  errorAt: Count.optional().describe('An error event after so many pieces of content; 0 is before any'),
  drop: z.boolean().optional().describe('Close the connection without an answer'),
  cutChunk: Count.optional().describe('Cut the connection after so many pieces of content'),
  cutByte: Count.optional().describe('Cut the connection after so many bytes of the body'),
  cut: z.enum(['close', 'reset']).optional().describe('How it is cut; a reset may take back what was sent'),
  stallByte: Count.optional().describe('Say nothing more after so many bytes, and stay open'),
  stallChunk: Count.optional().describe('Say nothing more after so many pieces of content'),
  garbageByte: Count.optional().describe('Bytes that belong to nothing at this place'),
  invalidJsonAt: Count.optional().describe('The piece of content whose JSON is cut short'),
  noEnd: z.boolean().optional().describe('End the body cleanly, without the mark of the end'),
  noFinish: z.boolean().optional().describe('End the body cleanly after the content'),
  empty: z.enum(['all', 'first']).optional().describe('No choices at all, or a first chunk without any'),
  lengthOff: z.number().int().optional().describe('What content-length lies by'),
  oneByte: z.boolean().optional().describe('Every byte written by itself'),
  crlf: z.boolean().optional().describe('Lines of the event stream end in CR LF'),
  comments: z.boolean().optional().describe('Comments between events'),
  pings: z.number().int().min(1).optional().describe('A ping before every nth piece of content'),
  gzip: z.boolean().optional().describe('Compressed, whether it was asked for or not'),
  lenient: z.boolean().optional().describe('Take requests the real provider refuses'),
})
export type Behaviour = z.infer<typeof Behaviour>

/** When a scripted behaviour applies: all that is given must hold. */
export const Rule = z.strictObject({
  path: z.string().optional().describe('Part of the path'),
  model: z.string().optional().describe('The model without its "?..."'),
  times: z.number().int().min(1).optional().describe('How many requests; absent: every one'),
  behaviour: Behaviour,
})
export type Rule = z.infer<typeof Rule>
/** A rule as it is written; defaults are filled in. */
export type RuleInput = z.input<typeof Rule>

/** The rules under way, first come first served. */
export interface Script {
  add(rules: unknown): void
  clear(): void
  take(path: string, model: string): Behaviour
}

/** Creates an empty script. */
export function createScript(): Script {
  const rules: { rule: Rule; left: number }[] = []
  return {
    add: (input) => {
      for (const rule of z.array(Rule).parse(Array.isArray(input) ? input : [input]))
        rules.push({ rule, left: rule.times ?? Number.POSITIVE_INFINITY })
    },
    clear: () => void rules.splice(0),
    take: (path, model) => {
      const found = rules.find(
        ({ rule, left }) =>
          left > 0 && (rule.path === undefined || path.includes(rule.path)) && (rule.model === undefined || rule.model === model),
      )
      if (found === undefined) return {}
      found.left -= 1
      return found.rule.behaviour
    },
  }
}

/** Splits a model name such as `fake?chunks=5&tools=get_weather` into the name and the behaviour it asks for. */
export function readModel(name: string): { readonly model: string; readonly behaviour: Behaviour } {
  const mark = name.indexOf('?')
  if (mark === -1) return { model: name, behaviour: {} }
  const said = [...new URLSearchParams(name.slice(mark + 1))].map(([key, value]) => [key, readValue(value)] as const)
  return { model: name.slice(0, mark), behaviour: Behaviour.parse(Object.fromEntries(said)) }
}

function readValue(text: string): unknown {
  if (text === '') return true
  if (!/^(?:[-\d[{]|true$|false$)/.test(text)) return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    // Words that only begin like JSON.
    return text
  }
}
