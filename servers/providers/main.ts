// A stand-alone program that speaks the wire of every model provider: node servers/providers/main.ts --port 0. Says its URL as JSON on
// stdout. For trying the gateway out, for its tests and for benchmarks; see server.ts for how answers are scripted.
import { parseArgs } from 'node:util'
import { startProviders } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    'require-key': { type: 'boolean', default: false },
    'aws-secret': { type: 'string' },
  },
})

const awsSecret = values['aws-secret']
const providers = await startProviders({
  port: Number(values.port),
  seed: Number(values.seed),
  requireKey: values['require-key'],
  ...(awsSecret === undefined ? {} : { awsSecret }),
})
process.stdout.write(`${JSON.stringify({ url: providers.url })}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void providers[Symbol.asyncDispose]())
