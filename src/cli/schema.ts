import { jsonSchemas } from '../config/json-schema.ts'
import { EXIT, type CliIo } from './io.ts'

/** `tollgate schema <name>`: prints the JSON Schema of one kind of file. */
export function schema(name: string, io: CliIo): number {
  const text = jsonSchemas().get(`${name}.json`)
  if (text === undefined)
    throw new Error(
      `there is no schema "${name}"; known: ${[...jsonSchemas().keys()].map((file) => file.replace('.json', '')).join(', ')}`,
    )
  io.out(text)
  return EXIT.ok
}
