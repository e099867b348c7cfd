import { z } from 'zod'
import { Catalog } from './catalog.ts'
import { Gateway } from './gateway.ts'
import { Revocations } from './identity.ts'
import { PriceFile } from './prices.ts'
import { Server } from './server.ts'

const FILES = {
  tollgate: { title: 'Tollgate: the gateway (tollgate.json)', schema: Gateway },
  server: { title: 'Tollgate: an upstream MCP server (servers/<id>.json)', schema: Server },
  catalog: { title: 'Tollgate: a catalog (catalogs/<id>.json)', schema: Catalog },
  prices: { title: 'Tollgate: prices of models (a file named by "prices" in tollgate.json)', schema: PriceFile },
  revocations: { title: 'Tollgate: refused credentials (revocations.json)', schema: Revocations },
}

/** The JSON Schemas (draft 2020-12) editors complete our files from, as file name and text, byte for byte what is checked in. */
export function jsonSchemas(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(FILES).map(([name, { title, schema }]) => {
      const { $schema, ...body } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' })
      return [`${name}.json`, `${JSON.stringify({ $schema, title, ...body }, null, 2)}\n`]
    }),
  )
}
