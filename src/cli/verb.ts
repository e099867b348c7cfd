import { Command, InvalidArgumentError } from 'commander'
import type { CliIo } from './io.ts'
import type { Lent } from './lent.ts'

/** What adding verbs to the program takes. */
export interface Verbs {
  readonly io: CliIo
  readonly lent: Lent
  /** Wraps the function of a verb: it gets its options (with `config`) and its words, and its answer becomes the exit code. */
  action<Options>(
    run: (options: Options & { readonly config?: string }, words: readonly string[]) => Promise<number> | number,
  ): (...args: unknown[]) => Promise<void>
}

/** Verbs whose exit code goes to `finish`. */
export function createVerbs(io: CliIo, lent: Lent, finish: (code: number) => void): Verbs {
  return {
    io,
    lent,
    action:
      (run) =>
      async (...args) => {
        const command = args.at(-1)
        if (!(command instanceof Command)) throw new Error('commander passes the command last')
        const words = command.processedArgs.flat().filter((word): word is string => typeof word === 'string')
        finish(await run(command.optsWithGlobals(), words))
      },
  }
}

/** An option that must be an http or https URL. */
export function httpUrl(text: string): string {
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text
  throw new InvalidArgumentError('It must be a URL such as https://gate.example.com/mcp.')
}

/** An option that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
