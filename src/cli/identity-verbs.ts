import { dirname, resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { configPath, readGatewayFile } from './gateway-file.ts'
import type { CreateKeyOptions, KeysCommand } from './keys.ts'
import type { RevokeOptions } from './revoke.ts'
import type { TokenOptions } from './token.ts'
import { collect, type Verbs } from './verb.ts'

/** Adds the verbs about credentials: token, keys and revoke. */
export function addIdentityVerbs(program: Command, verbs: Verbs): void {
  addToken(program, verbs)
  addKeys(program, verbs)
  addRevoke(program, verbs)
}

function addToken(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('token')
    .description('make a token (development mode)')
    .option('--team <team>', 'the team it is for')
    .option('--subject <subject>', 'the subject')
    .option('--role <role>', 'a role such as admin; may be given again', collect)
    .option('--audience <url>', 'the audience (default: every endpoint of this gateway)')
    .option('--ttl <duration>', 'how long it lives, such as 12h', '24h')
    .option('--headers', 'as a JSON object of headers, for the headersHelper of Claude Code')
    .action(
      action<TokenOptions>(async (options) => {
        const { token } = await import('./token.ts')
        return await token(await lent.development(configPath(options.config, io)), options, io)
      }),
    )
}

function addKeys(program: Command, { io, lent, action }: Verbs): void {
  const keys = program.command('keys').description('API keys for callers without OAuth')
  const run = async (options: { readonly config?: string; readonly json?: boolean }, command: KeysCommand): Promise<number> => {
    const { path, gateway } = await readGatewayFile(configPath(options.config, io), io)
    const { keysCommand } = await import('./keys.ts')
    const store = await lent.keys(resolve(dirname(path), gateway.state))
    return await keysCommand(store, command, io)
  }
  keys
    .command('create')
    .description('make a key; it is shown once')
    .requiredOption('--subject <subject>', 'who the key stands for')
    .addOption(new Option('--kind <kind>').choices(['user', 'agent', 'service']).default('agent'))
    .option('--org <org>')
    .option('--team <team>')
    .option('--project <project>')
    .option('--agent <agent>')
    .option('--user <user>')
    .option('--group <group>', 'may be given again', collect)
    .option('--role <role>', 'may be given again', collect)
    .option('--scope <scope>', 'may be given again', collect)
    .option('--expires <duration>', 'such as 90d (default: never)')
    .option('--name <name>', 'a name for people')
    .option('--json', 'as JSON')
    .action(action<CreateKeyOptions & { json?: boolean }>((options) => run(options, { ...options, action: 'create' })))
  keys
    .command('list')
    .description('all keys, without their secret')
    .option('--json', 'as JSON')
    .action(action<{ json?: boolean }>((options) => run(options, { ...options, action: 'list' })))
  keys
    .command('rotate <id>')
    .description('make a key with the same rights in the place of another')
    .option('--overlap <duration>', 'how long the old key still works, such as 1h; 0s ends it at once', '24h')
    .option('--json', 'as JSON')
    .action(
      action<{ json?: boolean; overlap?: string }>((options, [id = '']) => run(options, { ...options, action: 'rotate', id })),
    )
  keys
    .command('revoke <id>')
    .description('refuse a key from now on')
    .option('--json', 'as JSON')
    .action(action<{ json?: boolean }>((options, [id = '']) => run(options, { ...options, action: 'revoke', id })))
}

function addRevoke(program: Command, { io, action }: Verbs): void {
  program
    .command('revoke')
    .description('refuse a token or a subject from now on')
    .option('--jti <id>', 'a token id, or the id of an API key')
    .option('--subject <subject>', 'every credential of a subject')
    .option('--issuer <issuer>', 'only the subject of this issuer')
    .option('--undo', 'take it off the list again')
    .action(
      action<Omit<RevokeOptions, 'file'>>(async (options) => {
        const { path, gateway } = await readGatewayFile(configPath(options.config, io), io)
        const { revoke } = await import('./revoke.ts')
        return await revoke({ ...options, file: resolve(dirname(path), gateway.identity.revocations) }, io)
      }),
    )
}
