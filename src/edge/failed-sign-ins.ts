import { LRUCache } from 'lru-cache'

/** Counts refused tokens per address, so that forged ones cannot keep the signature check busy. */
export interface FailedSignIns {
  /** Whether tokens of this address that were not verified before are refused unread for now. */
  isBlocked(address: string): boolean
  failed(address: string): void
}

/** What the count borrows. */
export interface FailedSignInsOptions {
  /** Refused tokens per second and address; four seconds' worth may come at once. */
  readonly perSecond: number
  /** Monotonic milliseconds. */
  now(): number
}

const BURST_SECONDS = 4
const ADDRESSES = 10_000

/** A leaking bucket per address; the least recently seen address is forgotten first. */
export function createFailedSignIns({ perSecond, now }: FailedSignInsOptions): FailedSignIns {
  const buckets = new LRUCache<string, { level: number; at: number }>({ max: ADDRESSES })
  const levelOf = (address: string): number => {
    const bucket = buckets.get(address)
    return bucket === undefined ? 0 : Math.max(0, bucket.level - ((now() - bucket.at) / 1_000) * perSecond)
  }
  return {
    isBlocked: (address) => levelOf(address) >= perSecond * BURST_SECONDS,
    failed(address) {
      buckets.set(address, { level: levelOf(address) + 1, at: now() })
    },
  }
}
