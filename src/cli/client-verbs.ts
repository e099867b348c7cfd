import { Argument, Option, type Command } from 'commander'
import { CLIENTS } from './connect.ts'
import type { ConnectOptions } from './connect-verb.ts'
import { EXIT } from './io.ts'
import type { StdioOptions } from './stdio.ts'
import { collect, httpUrl, type Verbs } from './verb.ts'

/** Adds the verbs for those who connect a client: connect and stdio. */
export function addClientVerbs(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('connect')
    .description('print the exact configuration of a client')
    .addArgument(new Argument('<client>').choices(CLIENTS))
    .option('--catalog <id>', 'a named catalog instead of the one the identity chooses')
    .option('--url <url>', 'where the gateway is reached (default: publicUrl of the configuration)', httpUrl)
    .option('--mcpb', 'write a bundle for a one-click install in Claude Desktop')
    .option('--out <file>', 'where the bundle goes (default: tollgate-<catalog>.mcpb)')
    .option('--json', 'as JSON')
    .action(
      action<ConnectOptions>(async (options, [client = '']) => {
        const { connect, isClient } = await import('./connect-verb.ts')
        return isClient(client) ? await connect(client, options, io, lent) : EXIT.usage
      }),
    )

  program
    .command('stdio')
    .description('an MCP server on stdin and stdout, in front of the gateway (for Claude Desktop)')
    .addArgument(new Argument('[url]', 'the MCP URL of the gateway').argParser(httpUrl))
    .argument('[port]', 'ignored; other bridges take a callback port here')
    .option('--catalog <id>', 'a named catalog instead of the one the identity chooses')
    .option('--url <url>', 'the same as [url]', httpUrl)
    .option('--header <name:value>', 'a header on every request; ${NAME} stands for a variable; may be given again', collect)
    .option('--token-env <name>', 'the variable that holds the token (default: TOLLGATE_TOKEN)')
    .option('--team <team>', 'in development mode without a token: the team to be (default: the catalog)')
    .option('--allow-http', 'allow plain http to another machine')
    .addOption(
      new Option('--transport <kind>', 'Streamable HTTP is the only one')
        .choices(['http-only', 'http-first'])
        .default('http-only'),
    )
    .option('--debug', 'say more on stderr')
    .option('--silent', 'say nothing on stderr')
    .action(
      action<StdioOptions>(async (options, [url]) => {
        const { stdio } = await import('./stdio.ts')
        return await stdio(url === undefined ? options : { ...options, url }, io, lent)
      }),
    )
}
