import { Argument, type Command } from 'commander'
import { configPath } from './gateway-file.ts'
import type { Verbs } from './verb.ts'

const SCHEMA_NAMES = ['tollgate', 'server', 'catalog', 'prices', 'revocations']

/** Adds the verbs about the files an admin owns: validate, import and schema. */
export function addFileVerbs(program: Command, { io, action }: Verbs): void {
  program
    .command('validate')
    .description('check every file and report all problems at once')
    .option('--json', 'as JSON')
    .action(
      action<{ json?: boolean }>(async ({ config, json = false }) => {
        const { validate } = await import('./validate.ts')
        return await validate({ config: configPath(config, io), json }, io)
      }),
    )

  program
    .command('import')
    .description('turn the configuration of a client into ours')
    .command('mcp-json <file>')
    .description('the MCP servers of Claude Desktop, Cursor or VS Code, as servers/*.json and a catalog')
    .option('--catalog <id>', 'the catalog to write', 'imported')
    .option('--team <team>', 'who may use it (default: a team named like the catalog)')
    .option('--dry-run', 'print the files instead of writing them')
    .option('--force', 'write over files that are there')
    .action(
      action<{ catalog?: string; team?: string; dryRun?: boolean; force?: boolean }>(async (options, [file = '']) => {
        const { importMcpJson } = await import('./import.ts')
        const { catalog, team, dryRun = false, force = false } = options
        return await importMcpJson({ file, catalog, team, out: configPath(options.config, io), dryRun, force }, io)
      }),
    )

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
