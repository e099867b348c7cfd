import { closeSync, fdatasync, fsync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'

/** What the journal does to files; lent, so that a test can fail a disk. */
export interface JournalFiles {
  /** Opens a file for appending; it must not exist. */
  open(path: string): number
  write(file: number, data: Uint8Array, offset: number): number
  truncate(file: number, size: number): void
  sync(file: number): Promise<void>
  syncFolder(directory: string): Promise<void>
  close(file: number): void
}

/** The files of this machine. */
export const DISK: JournalFiles = {
  open: (path) => openSync(path, 'ax', 0o600),
  write: (file, data, offset) => writeSync(file, data, offset),
  truncate: (file, size) => ftruncateSync(file, size),
  sync: promisify(fdatasync),
  syncFolder: async (directory) => {
    const folder = openSync(directory, 'r')
    try {
      await promisify(fsync)(folder)
    } finally {
      closeSync(folder)
    }
  },
  close: (file) => closeSync(file),
}
