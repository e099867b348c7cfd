import type { Outcome } from './delivery.ts'

/** One request as it arrived, and how its answer went. */
export interface SeenRequest {
  readonly number: number
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Of credentials only a fingerprint. */
  readonly headers: Readonly<Record<string, string>>
  /** The parsed JSON, or the text. */
  readonly body: unknown
  readonly wire?: string
  readonly model?: string
  readonly status?: number
  /** `open` while the answer is under way. */
  readonly outcome: Outcome | 'open'
}

/** What arrived, and how it was answered. Only the newest requests are kept. */
export interface Journal {
  open(request: Omit<SeenRequest, 'number' | 'outcome'>): number
  note(number: number, facts: Partial<Pick<SeenRequest, 'wire' | 'model' | 'status' | 'outcome'>>): void
  /** The connection is gone; says so of an answer that was still under way. */
  hangUp(number: number): void
  requests(): readonly SeenRequest[]
  /** Resolves when the check holds; it is asked again after every change. */
  until(check: () => boolean): Promise<void>
  clear(): void
}

const KEPT_REQUESTS = 2_000

/** Creates an empty journal. */
export function createJournal(): Journal {
  const requests = new Map<number, SeenRequest>()
  const waiting = new Set<() => void>()
  let count = 0
  const change = (number: number, facts: Partial<SeenRequest>) => {
    const request = requests.get(number)
    if (request !== undefined) requests.set(number, { ...request, ...facts })
    for (const check of waiting) check()
  }
  return {
    open: (request) => {
      const number = ++count
      requests.set(number, { ...request, number, outcome: 'open' })
      requests.delete(number - KEPT_REQUESTS)
      change(number, {})
      return number
    },
    note: change,
    hangUp: (number) => {
      if (requests.get(number)?.outcome === 'open') change(number, { outcome: 'hung_up' })
    },
    requests: () => [...requests.values()],
    until: (check) =>
      new Promise((resolve) => {
        const ask = () => {
          if (!check()) return
          waiting.delete(ask)
          resolve()
        }
        waiting.add(ask)
        ask()
      }),
    clear: () => requests.clear(),
  }
}
