/** A parser under attack: how it is fed, and what must hold whatever it is fed. */
export interface Target {
  readonly name: string
  /** Words of its language, put in and over. */
  readonly dictionary: readonly string[]
  /** Its inputs hold JSON and are mutated as trees too: the whole input, or what comes after its first line. */
  readonly json?: 'whole' | 'headed'
  /** Inputs it understands, besides the files of its corpus. */
  seeds(): readonly Buffer[]
  /**
   * Feeds one input. Answers a short signature of what happened (class of the result, code of the error, shape of the output); inputs with a new
   * one are kept and mutated on. Throws an error when an invariant does not hold.
   */
  run(input: Buffer): string | Promise<string>
  /** How many inputs may be under way at one time; one when absent. */
  readonly parallel?: number
  /** What the cost rule is about; absent where an input costs sockets or files, so that its price says nothing of a parser. */
  readonly price?: Price
  /** Ends what the target started. */
  close?(): Promise<void>
}

/** The code under test alone, and what an honest input is. */
export interface Price {
  /** Feeds one input and checks nothing; may throw. */
  parse(input: Buffer): void
  /** An honest input of about so many bytes: what is fair is measured with it. */
  honest(bytes: number): Buffer
}

/** Fails an invariant. */
export function invariant(holds: boolean, words: string): asserts holds {
  if (!holds) throw new Error(`invariant: ${words}`)
}
