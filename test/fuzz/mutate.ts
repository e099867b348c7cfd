// How it works: (1) one input of the pool is taken, (2) one to a few mutations are stacked on it: bytes flipped, words of the dictionary put in,
// pieces of two inputs spliced, or, where an input holds JSON, members of its tree changed, doubled, dropped or taken from another input,
// (3) what grew over the bound is cut. All choices come from one seeded generator, so a run can be repeated.
import type { Random } from './random.ts'
import { mutateTree } from './mutate-tree.ts'
import type { Target } from './target.ts'

/** Inputs are at most this large: the cost rule is about 10 KiB. */
const MAX_INPUT_BYTES = 10_240

/** Makes an input from the pool of a target. */
export function mutate(pool: readonly Buffer[], target: Target, random: Random): Buffer {
  let input = pickInput(pool, random)
  const rounds = 1 + random.below(random.below(4) + 1)
  for (let round = 0; round < rounds; round++) input = once(input, { pool, target, random })
  return input.length > MAX_INPUT_BYTES ? input.subarray(0, MAX_INPUT_BYTES) : input
}

/** Small inputs are quick and mutate well: the smaller of two, three times in four. */
function pickInput(pool: readonly Buffer[], random: Random): Buffer {
  const [one, other] = [random.pick(pool), random.pick(pool)]
  if (random.below(4) === 0) return one
  return one.length < other.length ? one : other
}

interface Kitchen {
  readonly pool: readonly Buffer[]
  readonly target: Target
  readonly random: Random
}

function once(input: Buffer, kitchen: Kitchen): Buffer {
  const { random, target } = kitchen
  if (target.json !== undefined && random.below(10) < 7) {
    const changed = mutateTree(input, { ...kitchen, isHeaded: target.json === 'headed' })
    if (changed !== undefined) return changed
  }
  return random.pick(MUTATIONS)(input, kitchen)
}

type Mutation = (input: Buffer, kitchen: Kitchen) => Buffer

/** Bytes where parsers decide. */
const EDGES = [
  0x00, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x2e, 0x2f, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xef,
  0xf4, 0xff,
]

const replaceAt = (input: Buffer, start: number, end: number, by: Buffer) =>
  Buffer.concat([input.subarray(0, start), by, input.subarray(end)])

const MUTATIONS: readonly Mutation[] = [
  function flipBit(input, { random }) {
    if (input.length === 0) return input
    const copy = Buffer.from(input)
    const at = random.below(copy.length)
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
    return copy
  },
  function setByte(input, { random }) {
    if (input.length === 0) return input
    const copy = Buffer.from(input)
    copy[random.below(copy.length)] = random.below(3) === 0 ? random.below(256) : random.pick(EDGES)
    return copy
  },
  function insertByte(input, { random }) {
    const at = random.below(input.length + 1)
    return replaceAt(input, at, at, Buffer.from([random.pick(EDGES)]))
  },
  function insertWord(input, { random, target }) {
    const at = random.below(input.length + 1)
    return replaceAt(input, at, at, Buffer.from(random.pick(target.dictionary)))
  },
  function replaceWord(input, { random, target }) {
    const at = random.below(input.length + 1)
    return replaceAt(input, at, Math.min(input.length, at + 1 + random.below(8)), Buffer.from(random.pick(target.dictionary)))
  },
  function swapWord(input, { random, target }) {
    const known = target.dictionary.filter((word) => word !== '' && input.includes(word))
    if (known.length === 0) return input
    const word = random.pick(known)
    const at = input.indexOf(word)
    return replaceAt(input, at, at + Buffer.byteLength(word), Buffer.from(random.pick(target.dictionary)))
  },
  function dropRange(input, { random }) {
    const start = random.below(input.length + 1)
    return replaceAt(input, start, Math.min(input.length, start + 1 + random.below(16)), Buffer.alloc(0))
  },
  function cut(input, { random }) {
    return input.subarray(0, random.below(input.length + 1))
  },
  function repeatRange(input, { random }) {
    if (input.length === 0) return input
    const start = random.below(input.length)
    const piece = input.subarray(start, start + 1 + random.below(random.below(4) === 0 ? 64 : 8))
    const times = random.pick([1, 2, 3, 16, 64, 256, 1024, 5000])
    const count = Math.max(1, Math.min(times, Math.floor(MAX_INPUT_BYTES / piece.length)))
    return replaceAt(input, start, start, Buffer.concat(Array.from({ length: count }, () => piece)))
  },
  function splice(input, { random, pool }) {
    const other = random.pick(pool)
    return Buffer.concat([input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1))])
  },
  function graft(input, { random, pool }) {
    const other = random.pick(pool)
    const start = random.below(other.length + 1)
    const at = random.below(input.length + 1)
    return replaceAt(input, at, at, other.subarray(start, start + random.below(64)))
  },
  function changeNumber(input, { random }) {
    const text = input.toString('latin1')
    const numbers = [...text.matchAll(/\d+/g)]
    if (numbers.length === 0) return input
    const found = random.pick(numbers)
    const by = random.pick([
      '0',
      '-1',
      '1',
      '255',
      '256',
      '65535',
      '65536',
      '4294967295',
      '4294967296',
      '9007199254740993',
      '1e999',
      '00',
      '',
    ])
    return replaceAt(input, found.index, found.index + found[0].length, Buffer.from(by))
  },
]
