/** Makes a monotonic clock in milliseconds whose readings mean the same in every thread of this process; `performance.now()` begins with its thread. */
export function createSharedClock(): () => number {
  const ahead = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  return () => performance.now() + ahead
}
