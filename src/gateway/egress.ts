import type { Egress as EgressConfig } from '../config/gateway.ts'
import { createEgress, type Egress } from '../lib/egress.ts'
import type { Secrets } from '../lib/secrets.ts'

/** The way out of this gateway, as its file says. */
export function openEgress({ allow, ports, proxy }: EgressConfig, secrets: Secrets): Egress {
  if (proxy === undefined) return createEgress({ allow, ports })
  const { url, direct, credentials } = proxy
  return createEgress({
    allow,
    ports,
    proxy: { url, direct, ...(credentials === undefined ? {} : { credentials: secrets.read(credentials) }) },
  })
}
