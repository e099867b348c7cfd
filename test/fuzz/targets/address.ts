import { isIP } from 'node:net'
import { addressRanges, isLoopbackAddress, isMetadataAddress, isSpecialAddress } from '../../../src/lib/address.ts'
import { createEgress, EgressError } from '../../../src/lib/egress.ts'
import { isPrivate, isServedByClouds, toNumber } from '../addresses.ts'
import { invariant, type Target } from '../target.ts'

const SEEDS = ['127.0.0.1', '169.254.169.254', '::ffff:10.0.0.1', '64:ff9b::a9fe:a9fe', '[fe80::1%eth0]', 'fd00:ec2::254', '10.0.0.0/8', 'http://1.1.1.1/x', 'https://[::1]:8443/a?b', 'http://0x7f.1/', 'http://2130706433/', 'http://user:pw@10.1.1.1/', 'http://localhost:80/', '2606:4700::1111', '100.100.100.200', '8.8.8.8', 'http://metadata.google.internal/'] // prettier-ignore
const WORDS = ['http://', 'https://', 'ftp://', '@', ':', '/', '//', '\\', '[', ']', '%', '%25eth0', '.', '..', '0x7f', '0177', '127', '10', '169.254.169.254', '0', '255', '256', '::', '::ffff:', '::ffff:0:', '64:ff9b::', '2002:a9fe:a9fe::', 'a9fe:a9fe', 'fe80::', 'fc00::', 'ff02::1', '2001:db8::', 'localhost', '\u3002', '\uff11', '\u00ad', '#', '?', '\t', '/8', '/0', '/129', '/-1', '0:0:0:0:0:ffff:'] // prettier-ignore

/** Addresses, ranges and URLs: what is an address, and that nothing private passes unasked. */
export function address(): Target {
  const open = createEgress({ allow: [] })
  const dispatch = (url: string, literalAllowed: boolean) => open.dispatcher(url, { literalAllowed, connectTimeoutMs: 1 })
  return {
    name: 'address',
    dictionary: WORDS,
    seeds: () => SEEDS.map((seed) => Buffer.from(seed)),
    price: {
      parse: (input) => {
        const text = input.toString('utf8')
        for (const ask of [isSpecialAddress, isMetadataAddress, isLoopbackAddress]) ask(text)
        addressRanges([text])
      },
      honest: (bytes) => Buffer.from('1'.repeat(bytes)),
    },
    async run(input) {
      const text = input.toString('utf8')
      return `${checkAddress(text)} ${checkRange(text)} ${await checkUrl(text, dispatch)}`
    },
    close: () => open.close(),
  }
}

function checkAddress(text: string): string {
  const [special, metadata, loopback] = [isSpecialAddress(text), isMetadataAddress(text), isLoopbackAddress(text)]
  const plain = text.replace(/^\[(.*)\]$/s, '$1').split('%', 1)[0] ?? ''
  if (isIP(plain) === 0) {
    invariant(special && !metadata && !loopback, 'what is no address is special, and no more than that')
    return 'none'
  }
  const number = toNumber(plain)
  invariant(special || !isPrivate(number, isIP(plain)), `"${plain}" is private`)
  invariant(!special || isPrivate(number, isIP(plain)), `"${plain}" is public`)
  invariant(metadata || !isServedByClouds(number), `"${plain}" is an address of metadata`)
  invariant(!loopback || isPrivate(number, isIP(plain)), `"${plain}" is no loopback`)
  return `${isIP(plain)} ${special} ${metadata} ${loopback}`
}

function checkRange(text: string): string {
  try {
    const ranges = addressRanges([text])
    const [plain = '', bits] = text.split('/')
    const bare = plain.replace(/^\[(.*)\]$/s, '$1').split('%', 1)[0] ?? ''
    invariant(isIP(bare) !== 0, 'a range begins with an address')
    invariant(ranges.has(bare), 'a range holds the address it begins with')
    if (bits !== undefined) invariant(/^\d{1,3}$/.test(bits), `"${bits}" is no length of a prefix`)
    return 'range'
  } catch (error) {
    if (!(error instanceof Error) || !error.message.endsWith('is not an address or a CIDR range')) throw error
    return 'no range'
  }
}

type Dispatch = (url: string, literalAllowed: boolean) => { close(): Promise<void> }

async function checkUrl(url: string, dispatch: Dispatch): Promise<string> {
  const outcomes = await Promise.all([pass(url, false, dispatch), pass(url, true, dispatch)])
  if (!outcomes.includes('passed')) return outcomes.join(',')
  const { hostname, protocol, username, password } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  invariant(/^https?:$/.test(protocol) && username + password === '', 'what passes is plain http or https')
  if (isIP(host) === 0) return `name ${outcomes.join(',')}`
  const number = toNumber(host)
  invariant(outcomes[0] !== 'passed' || !isPrivate(number, isIP(host)), `"${host}" is private and passes`)
  invariant(!isServedByClouds(number), `"${host}" is an address of metadata and passes`)
  return `literal ${outcomes.join(',')}`
}

async function pass(url: string, literalAllowed: boolean, dispatch: Dispatch): Promise<string> {
  try {
    await dispatch(url, literalAllowed).close()
    return 'passed'
  } catch (error) {
    if (!(error instanceof EgressError) || error.reason !== 'refused') throw error
    return error.message.slice(0, 24)
  }
}
