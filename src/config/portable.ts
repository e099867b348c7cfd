import type { ConfigFiles } from './load.ts'
import { type JsonSource, parseJsonSource } from './json-source.ts'
import type { Located } from './read-file.ts'

/** A file as it is posted to another thread: its text in the place of the function that finds positions in it. */
type PortableFile<T> = Omit<Located<T>, 'locate'>

/** Files as they are posted to another thread. */
export interface PortableFiles extends Omit<ConfigFiles, 'gateway' | 'servers' | 'catalogs'> {
  readonly gateway: PortableFile<NonNullable<ConfigFiles['gateway']>['value']> | undefined
  readonly servers: ReadonlyMap<
    string,
    PortableFile<ConfigFiles['servers'] extends ReadonlyMap<string, Located<infer T>> ? T : never>
  >
  readonly catalogs: ReadonlyMap<
    string,
    PortableFile<ConfigFiles['catalogs'] extends ReadonlyMap<string, Located<infer T>> ? T : never>
  >
}

/** Writes files so that they can be posted. */
export function toPortable(files: ConfigFiles): PortableFiles {
  const { gateway, servers, catalogs } = files
  return {
    ...files,
    gateway: gateway === undefined ? undefined : withoutFunctions(gateway),
    servers: mapped(servers, withoutFunctions),
    catalogs: mapped(catalogs, withoutFunctions),
  }
}

/** The files as they were read. */
export function fromPortable(files: PortableFiles): ConfigFiles {
  const { gateway, servers, catalogs } = files
  return {
    ...files,
    gateway: gateway === undefined ? undefined : withFunctions(gateway),
    servers: mapped(servers, withFunctions),
    catalogs: mapped(catalogs, withFunctions),
  }
}

function withoutFunctions<T>({ value, file, digest, text }: Located<T>): PortableFile<T> {
  return { value, file, digest, ...(text === undefined ? {} : { text }) }
}

function withFunctions<T>(file: PortableFile<T>): Located<T> {
  let source: JsonSource | undefined
  return {
    ...file,
    locate(path) {
      if (file.text === undefined) return { line: 1, column: 1 }
      source ??= parseJsonSource(file.text)
      return source.locate(path)
    },
  }
}

function mapped<From, To>(map: ReadonlyMap<string, From>, change: (value: From) => To): ReadonlyMap<string, To> {
  return new Map([...map].map(([id, value]) => [id, change(value)]))
}
