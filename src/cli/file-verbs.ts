import { Argument, type Command } from 'commander'
import { configPath } from './gateway-file.ts'
import { addImportVerbs } from './import-verbs.ts'
import type { Verbs } from './verb.ts'

const SCHEMA_NAMES = ['tollgate', 'server', 'catalog', 'prices', 'revocations']

/** Adds the verbs about the files an admin owns: validate, import and schema. */
export function addFileVerbs(program: Command, verbs: Verbs): void {
  const { io, lent, action } = verbs
  program
    .command('validate')
    .description('check every file and report all problems at once')
    .option('--json', 'as JSON')
    .action(
      action<{ json?: boolean }>(async ({ config, json = false }) => {
        const { validate } = await import('./validate.ts')
        return await validate({ config: configPath(config, io), json }, io, lent)
      }),
    )

  addImportVerbs(program, verbs)

  program
    .command('schema')
    .description('print the JSON Schema of a kind of file')
    .addArgument(new Argument('<file>').choices(SCHEMA_NAMES))
    .action(
      action(async (_options, [name = '']) => {
        const { schema } = await import('./schema.ts')
        return schema(name, io)
      }),
    )
}
