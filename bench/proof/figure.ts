/** How long a run may take: `usual` fits all figures into half an hour, `alone` is one that was asked for by name, `long` the two-hour soak. */
export type Pace = 'quick' | 'usual' | 'alone' | 'long'

/** What a figure borrows from the runner. */
export interface Context {
  /** An empty folder of its own. */
  readonly folder: string
  /** A folder for what several figures of a run use. */
  readonly shared: string
  /** The `main.ts` of the gateway under proof. */
  readonly program: string
  readonly pace: Pace
  /** Ends what a figure started, whatever becomes of it. */
  readonly stack: AsyncDisposableStack
  /** Aborted when a background figure shall come to its end. */
  readonly signal: AbortSignal
  /** Says on the terminal how far it is. */
  say(text: string): void
}

/** What came out. */
export interface Measured {
  /** The numbers, in words. */
  readonly measured: string
  /** The parts of the target that were missed, each by how much; empty when all were reached. */
  readonly missed: readonly string[]
  /** What a reader must know to judge it: how the row differs from the target's own conditions. */
  readonly note?: string
}

/** One figure of the proof. */
export interface Figure {
  readonly id: string
  readonly what: string
  readonly target: string
  /** Whether it runs beside the others for as long as they take. */
  readonly isBackground?: boolean
  measure(context: Context): Promise<Measured>
}

/** The value for this pace. */
export function paced(
  context: Context,
  values: { readonly quick: number; readonly usual: number; readonly alone?: number; readonly long?: number },
): number {
  const { quick, usual, alone = usual, long = alone } = values
  return { quick, usual, alone, long }[context.pace]
}

/** Collects the parts of a target that were missed. */
export function missedOf(parts: Readonly<Record<string, boolean>>): readonly string[] {
  return Object.keys(parts).filter((part) => parts[part] === false)
}
