import { crc32, deflateRawSync } from 'node:zlib'

/** One file of an archive. */
export interface ZipEntry {
  /** With `/` between folders. */
  readonly path: string
  readonly data: Buffer
}

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const VERSION = 20
const UTF8_NAMES = 0x0800
const DEFLATE = 8
/** 1 January 1980, the first day of the format: equal entries give equal bytes. */
const DATE = 0x0021
const FILE_MODE = 0o100644

/** A zip archive (PKWARE APPNOTE 4.3) of small files, deflated, in the given order. Deterministic. */
export function createZip(entries: readonly ZipEntry[]): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { path, data } of entries) {
    const name = Buffer.from(path)
    const packed = deflateRawSync(data, { level: 9 })
    const facts = fileFacts(data, packed, name)
    const local = Buffer.concat([uint32(LOCAL), uint16(VERSION), facts, uint16(0), name, packed])
    // Made by Unix, so that the mode below is read; comment, disk and internal attributes are empty.
    const madeBy = uint16((3 << 8) | VERSION)
    const place = [uint16(0), uint16(0), uint16(0), uint16(0), uint32((FILE_MODE << 16) >>> 0), uint32(offset)]
    directory.push(uint32(CENTRAL), madeBy, uint16(VERSION), facts, ...place, name)
    files.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const count = uint16(entries.length)
  const end = [uint32(END), uint16(0), uint16(0), count, count, uint32(central.length), uint32(offset), uint16(0)]
  return Buffer.concat([...files, central, ...end])
}

/** The fields a local header and a directory entry share, up to the length of the name. */
function fileFacts(data: Buffer, packed: Buffer, name: Buffer): Buffer {
  const sizes = [uint32(crc32(data)), uint32(packed.length), uint32(data.length), uint16(name.length)]
  return Buffer.concat([uint16(UTF8_NAMES), uint16(DEFLATE), uint16(0), uint16(DATE), ...sizes])
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
