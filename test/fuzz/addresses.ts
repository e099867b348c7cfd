// A second opinion on addresses, in plain arithmetic: an address is one number of 128 bits, IPv4 in the place of the mapped ones.
import { isIPv4 } from 'node:net'

const MAPPED = 0xffffn << 32n

/** The number of an address that node:net takes for one. */
export function toNumber(address: string): bigint {
  if (isIPv4(address)) return MAPPED | fromDotted(address)
  const dotted = /\d+\.\d+\.\d+\.\d+$/.exec(address)?.[0]
  const tail = dotted === undefined ? [] : [fromDotted(dotted) >> 16n, fromDotted(dotted) & 0xffffn]
  const text = dotted === undefined ? address : address.slice(0, -dotted.length).replace(/([^:]):$/, '$1')
  const [before = '', after] = text.split('::')
  const words = (part: string) =>
    part
      .split(':')
      .filter((word) => word !== '')
      .map((word) => BigInt(`0x${word}`))
  const [head, rest] = [words(before), [...words(after ?? ''), ...tail]]
  const missing = after === undefined ? 0 : 8 - head.length - rest.length
  return [...head, ...Array.from({ length: missing }, () => 0n), ...rest].reduce((sum, word) => (sum << 16n) | word, 0n)
}

function fromDotted(address: string): bigint {
  return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
}

type Range = readonly [address: string, bits: number]

const isIn = (number: bigint, [address, bits]: Range) => {
  const shift = BigInt((isIPv4(address) ? 32 : 128) - bits)
  return number >> shift === toNumber(address) >> shift
}

// RFC 6890 and its registries; for IPv6 everything outside global unicast counts as private.
const PRIVATE_IPV4: readonly Range[] = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24],
  ['192.31.196.0', 24], ['192.52.193.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['192.175.48.0', 24], ['198.18.0.0', 15], ['198.51.100.0', 24],
  ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4], ['168.63.129.16', 32],
] // prettier-ignore
const PRIVATE_IPV6: readonly Range[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
]

/** Anything but an ordinary public address. What is written as IPv6 and carries an IPv4 address is private whatever it carries. */
export function isPrivate(number: bigint, family: number): boolean {
  if (family === 4) return PRIVATE_IPV4.some((range) => isIn(number, range))
  return number >> 125n !== 1n || PRIVATE_IPV6.some((range) => isIn(number, range))
}

const CLOUDS: readonly Range[] = [
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
]

/** Where clouds serve metadata and credentials, also through NAT64. */
export function isServedByClouds(number: bigint): boolean {
  const plain = number >> 32n === toNumber('64:ff9b::') >> 32n ? MAPPED | (number & 0xffffffffn) : number
  return CLOUDS.some((range) => isIn(plain, range))
}
