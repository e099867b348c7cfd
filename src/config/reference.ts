import { z } from 'zod'

/** A secret is never written down, only where it is: `env:NAME` or `file:PATH` (relative to the folder of tollgate.json). */
export const SecretReference = z
  .string()
  .regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/, 'must be a reference: "env:NAME" or "file:PATH"')
  .meta({
    description:
      'A secret by reference: "env:NAME" or "file:PATH", from the folder of tollgate.json. The value itself never stands in a file.',
  })
export type SecretReference = z.infer<typeof SecretReference>

/** Ids of servers and catalogs: they name files, URLs and prefixes. */
export const Id = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9, "_" and "-", starting with a letter or digit')
export type Id = z.infer<typeof Id>

/** A glob over names: `*` stands for any run of characters, everything else for itself. */
export const Glob = z.string().min(1).max(256).meta({ description: '"*" stands for any run of characters.' })

/** A CEL expression (https://cel.dev) that answers true or false. */
export const Expression = z.string().min(1).max(4096).meta({ description: 'A CEL expression that answers true or false.' })
