import { startEverything, type Era } from '../fixtures/everything/http.ts'

/** A running "everything" server; `await using` closes it. */
export type EverythingFixture = AsyncDisposable & { readonly url: string; close(): Promise<void> }

/** Starts the "everything" server in this process on a free port. */
export async function startEverythingFixture(era: Era = 'both'): Promise<EverythingFixture> {
  const { url, close } = await startEverything({ era })
  return { url, close, [Symbol.asyncDispose]: close }
}
