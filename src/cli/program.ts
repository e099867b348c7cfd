import { Command, CommanderError } from 'commander'
import { addClientVerbs } from './client-verbs.ts'
import { addFileVerbs } from './file-verbs.ts'
import { ConfigError } from './gateway-file.ts'
import { addIdentityVerbs } from './identity-verbs.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'
import { addOperatorVerbs } from './operator-verbs.ts'
import { createVerbs } from './verb.ts'

/**
 * Runs one command line (without program name) to its exit code. Results go to `io.out`, all else to `io.err`; usage mistakes are
 * EXIT.usage, a bad configuration EXIT.invalid, other failures EXIT.failure with one line that says what to do.
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
function createProgram(io: CliIo, lent: Lent, finish: (code: number) => void): Command {
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
      // No colours of our own, whatever NO_COLOR and the terminal say.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
  const verbs = createVerbs(io, lent, finish)
  addOperatorVerbs(program, verbs)
  addFileVerbs(program, verbs)
  addIdentityVerbs(program, verbs)
  addClientVerbs(program, verbs)
  return program
}
