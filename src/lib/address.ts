import { BlockList, isIP, isIPv6 } from 'node:net'

// The special-purpose registries of IANA (RFC 6890 and updates): everything that is not an ordinary unicast address of the Internet.
// IPv6 forms that carry an IPv4 address (mapped, NAT64, 6to4, Teredo) are special as a whole, so nothing hides inside them.
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
// Ranges of IPv4 hold the IPv4-mapped IPv6 addresses as well; what NAT64 (RFC 6052), 6to4 (RFC 3056) and the old compatible form carry is written
// out, so that no spelling of it is missed. A network's own NAT64 prefixes (RFC 8215) could carry any of it.
const METADATA = [
  '169.254.0.0/16',
  '64:ff9b::a9fe:0/112',
  '2002:a9fe::/32',
  '::a9fe:0/112',
  '100.100.100.200/32',
  '64:ff9b::6464:64c8/128',
  '2002:6464:64c8::/48',
  '::6464:64c8/128',
  '168.63.129.16/32',
  '64:ff9b::a83f:8110/128',
  '2002:a83f:8110::/48',
  '::a83f:8110/128',
  '64:ff9b:1::/48',
  'fe80::/10',
  'fd00:ec2::254/128',
]
const LOOPBACK = ['127.0.0.0/8', '::1/128', '64:ff9b::7f00:0/104']

/** Ranges of addresses; an IPv4-mapped IPv6 address counts as the IPv4 address in it. */
export interface AddressRanges {
  has(address: string): boolean
}

/** Builds ranges from CIDR texts and bare addresses; throws an Error naming what is neither. */
export function addressRanges(entries: readonly string[]): AddressRanges {
  const list = new BlockList()
  for (const entry of entries) addRange(list, entry)
  return {
    has(address) {
      const plain = bare(address)
      return isIP(plain) !== 0 && list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
    },
  }
}

const specialIpv4 = addressRanges(SPECIAL_IPV4)
// Global unicast is 2000::/3; within it these blocks are special.
const ordinaryIpv6 = addressRanges(['2000::/3'])
const specialIpv6 = addressRanges(['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'])
const metadata = addressRanges(METADATA)
const loopback = addressRanges(LOOPBACK)

/** Tells whether an address is anything but an ordinary public unicast address. What is no address counts as special. */
export function isSpecialAddress(address: string): boolean {
  const plain = bare(address)
  const family = isIP(plain)
  if (family === 4) return specialIpv4.has(plain) || metadata.has(plain)
  return family === 0 || !ordinaryIpv6.has(plain) || specialIpv6.has(plain)
}

/** Tells whether an address is one where clouds serve instance metadata and credentials (all of link-local counts). */
export function isMetadataAddress(address: string): boolean {
  return metadata.has(address)
}

/** Tells whether an address is loopback. */
export function isLoopbackAddress(address: string): boolean {
  return loopback.has(address)
}

function addRange(list: BlockList, entry: string): void {
  const [address = '', prefix, ...rest] = entry.split('/')
  const plain = bare(address)
  const family = isIP(plain)
  const width = family === 4 ? 32 : 128
  // Only digits: Number would read "" as 0, and "10.0.0.0/" would be every address there is.
  const bits = prefix === undefined ? width : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  const valid = family !== 0 && rest.length === 0 && bits <= width
  if (!valid) throw new Error(`"${entry}" is not an address or a CIDR range`)
  list.addSubnet(plain, bits, family === 4 ? 'ipv4' : 'ipv6')
}

function bare(address: string): string {
  const unbracketed = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address
  return unbracketed.split('%', 1)[0] ?? ''
}
