import { Argument, Command, CommanderError, InvalidArgumentError } from 'commander'
import { CLIENTS } from './connect.ts'
import { ConfigError, configPath } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'

/** Adds one verb. `run` is called with what commander parsed and answers the exit code. */
interface Verbs {
  readonly io: CliIo
  readonly lent: Lent
  /** Wraps an action so that its exit code is kept and its options carry `--config`. */
  action<Options>(
    run: (options: Options & { config?: string }, words: readonly string[]) => Promise<number> | number,
  ): (...args: unknown[]) => Promise<void>
}

/**
 * Runs one command line (without program name) to its exit code. Results go to `io.out`, all else to `io.err`; usage mistakes are
 * EXIT.usage, failures EXIT.failure with one line that says what to do.
 */
export async function runProgram(words: readonly string[], io: CliIo, lent: Lent): Promise<number> {
  let code: number = EXIT.ok
  const program = createProgram(io, lent, (result) => (code = result))
  try {
    await program.parseAsync([...words], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    io.err(`tollgate: ${error instanceof Error ? error.message : String(error)}\n`)
    return error instanceof ConfigError ? EXIT.invalid : EXIT.failure
  }
}

/** The command line of Tollgate. Verbs load their code when they run, so that a health check starts fast. */
export function createProgram(io: CliIo, lent: Lent, finish: (code: number) => void): Command {
  const program = new Command('tollgate')
    .description('One gate for the tools an agent calls and the tokens it burns.')
    .version(lent.version)
    .option('-c, --config <file>', 'configuration (default: TOLLGATE_CONFIG, then ./tollgate.json)')
    .showHelpAfterError('Run "tollgate --help" for the verbs, "tollgate <verb> --help" for their options.')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      outputError: (text, write) => write(`tollgate: ${text}`),
    })
    .exitOverride()
  const verbs: Verbs = {
    io,
    lent,
    action:
      (run) =>
      async (...args) => {
        const command = args.at(-1) as Command // commander passes the command last
        finish(
          await run(
            command.optsWithGlobals(),
            command.processedArgs.flat().filter((word) => typeof word === 'string'),
          ),
        )
      },
  }
  for (const add of [addStart, addConnect]) add(program, verbs)
  return program
}

function addStart(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('start')
    .description('run the gateway')
    .action(action(({ config }) => lent.start({ config: configPath(config, io) })))
}

function addConnect(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('connect')
    .description('print the exact configuration of a client')
    .addArgument(new Argument('<client>').choices(CLIENTS))
    .option('--catalog <id>', 'a named catalog instead of the one the identity chooses')
    .option('--url <url>', 'where the gateway is reached (default: publicUrl of the configuration)', httpUrl)
    .option('--json', 'as JSON')
    .action(
      action<Record<string, never>>(async (options, [client = '']) => {
        const { connect, isClient } = await import('./connect-verb.ts')
        return isClient(client) ? connect(client, options, io, lent) : EXIT.usage
      }),
    )
}

/** An option that must be an http or https URL. */
function httpUrl(text: string): string {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError('It must be a URL such as https://gate.example.com/mcp.')
  return text
}
