import { placesOf, readTree, writeTree } from './json-tree.ts'
import type { Target } from './target.ts'

const BUDGET_RUNS = 4_000
const BUDGET_MS = 5_000

type StillFails = (candidate: Buffer) => Promise<boolean>

/** Leaves out parts of an input as long as it `stillFails`: nodes of its JSON first, then pieces of its bytes, large ones before small ones. */
export async function minimise(input: Buffer, json: Target['json'], stillFails: StillFails): Promise<Buffer> {
  const until = performance.now() + BUDGET_MS
  let runs = 0
  const fails: StillFails = async (candidate) => {
    runs += 1
    return runs <= BUDGET_RUNS && performance.now() < until && (await stillFails(candidate))
  }
  const pruned = json === undefined ? input : await prune(input, json === 'headed', fails)
  return await trim(pruned, fails)
}

async function prune(input: Buffer, isHeaded: boolean, stillFails: StillFails): Promise<Buffer> {
  let best = input
  for (let at = 0; ;) {
    const { head, tree } = readTree(best, isHeaded)
    const place = placesOf(tree)[at]
    if (place === undefined) return best
    if (Array.isArray(place.holder)) place.holder.splice(Number(place.key), 1)
    else delete place.holder[place.key]
    const candidate = writeTree(head, tree)
    if (await stillFails(candidate)) best = candidate
    else at += 1
  }
}

async function trim(input: Buffer, stillFails: StillFails): Promise<Buffer> {
  let best = input
  for (let size = best.length >> 1; size >= 1; size >>= 1) {
    let at = 0
    while (at < best.length) {
      const candidate = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      if (await stillFails(candidate)) best = candidate
      else at += size
    }
  }
  return best
}
