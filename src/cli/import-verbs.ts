import type { Command } from 'commander'
import { configPath } from './gateway-file.ts'
import type { Verbs } from './verb.ts'

type Shared = { readonly out?: string; readonly force?: boolean; readonly json?: boolean }

/** Adds `tollgate import` with its kinds of sources. */
export function addImportVerbs(program: Command, verbs: Verbs): void {
  const command = program.command('import').description('turn the configuration of a client or of another gateway into ours')
  addMcpJson(command, verbs)
  addLitellm(command, verbs)
  addPortkey(command, verbs)
}

function addMcpJson(command: Command, { io, action }: Verbs): void {
  command
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
}

function addLitellm(command: Command, { io, action }: Verbs): void {
  shared(command.command('litellm <file>'))
    .description("LiteLLM's config.yaml, as providers, routes, catalogs, servers and prices")
    .option('--keys <file>', 'the answers of /key/list, /team/list, /user/list and /budget/list (JSON)')
    .option('--models <file>', 'the answer of /model/info (JSON), for models in the database')
    .action(
      action<Shared & { keys?: string; models?: string }>(async (options, [file = '']) => {
        const { importLitellm } = await import('./import-gateway.ts')
        const { keys, models, out, force = false, json = false } = options
        return await importLitellm({ file, keys, models, out, force, json, config: configPath(options.config, io) }, io)
      }),
    )
}

function addPortkey(command: Command, { io, action }: Verbs): void {
  shared(command.command('portkey <file>'))
    .description('a Portkey config (JSON), as one route with its providers')
    .option('--providers <file>', 'what its slugs stand for: { "openai-prod": "<id of a provider>" or a provider }')
    .option('--route <name>', 'the model name callers will use (default: from the file name)')
    .action(
      action<Shared & { providers?: string; route?: string }>(async (options, [file = '']) => {
        const { importPortkey } = await import('./import-gateway.ts')
        const { providers, route, out, force = false, json = false } = options
        return await importPortkey({ file, providers, route, out, force, json, config: configPath(options.config, io) }, io)
      }),
    )
}

function shared(command: Command): Command {
  return command
    .option('--out <folder>', 'where to write (default: the folder of the configuration)')
    .option('--force', 'write over entries and files that are there')
    .option('--json', 'the report as JSON')
}
