// Writes the folder of a gateway for the outside bench kit (see README.md), and says how to start it: `node bench/score-folder.ts <folder>`.
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeGatewayFolder } from './gateway-folder.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '4000' },
    mcp: { type: 'string', default: 'http://127.0.0.1:18100/mcp' },
    model: { type: 'string', default: 'http://127.0.0.1:18080/v1' },
  },
})
const folder = resolve(positionals[0] ?? 'bench-folder')
const token = await writeGatewayFolder(folder, Number(values.port), { mcp: values.mcp, model: values.model })
const main = resolve(import.meta.dirname, '../src/main.ts')
const start = `${process.execPath} --max-semi-space-size=8 ${main} start --config ${join(folder, 'tollgate.json')}`
process.stdout.write(`${JSON.stringify({ start, header: `authorization: Bearer ${token}` }, undefined, 2)}\n`)
