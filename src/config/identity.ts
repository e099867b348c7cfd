import { z } from 'zod'
import { Expression } from './reference.ts'

const Pointer = z.string().regex(/^(\/([^~/]|~[01])*)+$/, 'must be a JSON pointer such as "/realm/team"')
const ClaimSource = z.union([
  Pointer,
  z.strictObject({ cel: Expression.meta({ description: 'CEL over claims; answers the value.' }) }),
])
const Claim = z
  .union([ClaimSource, z.array(ClaimSource).min(1)])
  .meta({ description: 'A JSON pointer into the claims, { "cel": ... }, or a list of them: the first that answers wins.' })

const Claims = z.strictObject({
  kind: Claim.optional(),
  org: Claim.default('/org'),
  team: Claim.default('/team'),
  project: Claim.default('/project'),
  agent: Claim.default(['/act/sub', '/agent', '/azp', '/client_id']),
  user: Claim.default(['/email', '/preferred_username', '/sub']),
  groups: Claim.default('/groups'),
  roles: Claim.default('/roles'),
  scopes: Claim.default(['/scope', '/scp']),
  session: Claim.default('/session_id'),
})
export type Claims = z.infer<typeof Claims>
export type ClaimSource = z.infer<typeof ClaimSource>

const Algorithm = z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])

const Keys = z.union([
  z.strictObject({ url: z.url({ protocol: /^https?$/ }).meta({ description: 'JWKS URL.' }) }),
  z.strictObject({ keys: z.array(z.record(z.string(), z.json())).min(1).meta({ description: 'Static public keys (JWK).' }) }),
  z.strictObject({ file: z.string().min(1).meta({ description: 'A JWKS file, read again on reload.' }) }),
  z.strictObject({
    discovery: z.literal(true).meta({ description: 'Read jwks_uri from the OpenID or RFC 8414 metadata of the issuer.' }),
  }),
])

const Issuer = z.strictObject({
  issuer: z.string().min(1).meta({ description: 'Exact "iss".' }),
  audience: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .meta({ description: 'Accepted "aud" values. Absent: the URL of the MCP endpoint called, nothing else (RFC 8707).' }),
  algorithms: z
    .array(Algorithm)
    .min(1)
    .default(['RS256', 'ES256'])
    .meta({ description: 'Signature algorithms accepted from this issuer; no others.' }),
  jwks: Keys.meta({ description: 'Where the keys of the issuer come from.' }),
  type: z.string().optional().meta({ description: 'Required "typ" header, for instance "at+jwt" (RFC 9068).' }),
  skewSeconds: z.int().min(0).max(300).default(60).meta({ description: 'How far clocks may differ.' }),
  maxLifetimeSeconds: z.int().min(1).optional().meta({ description: 'Refuse tokens that live longer than this.' }),
  requiredScopes: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'Scopes every call needs; a token without them gets 403 insufficient_scope.' }),
  claims: Claims.prefault({}).meta({ description: 'Which claims say who the caller is.' }),
})
export type Issuer = z.infer<typeof Issuer>

const AnonymousPrincipal = z.strictObject({
  team: z.string().optional().meta({ description: 'Team of callers without a credential.' }),
  project: z.string().optional().meta({ description: 'Project of callers without a credential.' }),
  agent: z.string().optional().meta({ description: 'Agent of callers without a credential.' }),
  groups: z.array(z.string()).default([]).meta({ description: 'Groups of callers without a credential.' }),
})

/** Who may call, and how they prove it. */
export const Identity = z.strictObject({
  issuers: z.array(Issuer).default([]).meta({ description: 'Issuers whose tokens are accepted.' }),
  apiKeys: z.boolean().default(true).meta({ description: 'Accept keys made with "tollgate keys create".' }),
  anonymous: AnonymousPrincipal.optional().meta({
    description: 'Accept calls without a credential as this principal. Absent: never.',
  }),
  revocations: z
    .string()
    .default('revocations.json')
    .meta({ description: 'Deny list file; relative to tollgate.json. Hot-reloaded.' }),
  jwks: z
    .strictObject({
      cooldownMs: z
        .int()
        .min(0)
        .max(3_600_000)
        .default(30_000)
        .meta({ description: 'Least time between two fetches for an unknown key.' }),
      maxAgeMs: z
        .int()
        .min(1_000)
        .max(86_400_000)
        .default(600_000)
        .meta({ description: 'Keys are fetched again after this long.' }),
      staleMs: z
        .int()
        .min(0)
        .max(604_800_000)
        .default(3_600_000)
        .meta({ description: 'How long known keys keep working when the issuer cannot be reached.' }),
      timeoutMs: z.int().min(1).max(30_000).default(2_000).meta({ description: 'Longest wait for an issuer.' }),
    })
    .prefault({})
    .meta({ description: 'How key sets are fetched and kept.' }),
  cache: z
    .strictObject({ entries: z.int().min(1).max(1_000_000).default(10_000).meta({ description: 'Verified tokens remembered.' }) })
    .prefault({})
    .meta({ description: 'Verified tokens, by hash, until they expire.' }),
})
export type Identity = z.infer<typeof Identity>

/** `revocations.json`: credentials that are refused although they verify. */
export const Revocations = z.strictObject({
  $schema: z.string().optional(),
  jti: z.array(z.string().min(1)).default([]).meta({ description: 'Token ids ("jti") and API key ids.' }),
  subjects: z
    .array(
      z.strictObject({
        issuer: z.string().min(1).optional().meta({ description: 'At this issuer only; at every one when absent.' }),
        subject: z.string().min(1).meta({ description: 'Exact "sub".' }),
      }),
    )
    .default([])
    .meta({ description: 'Subjects, at one issuer or at every one.' }),
})
export type Revocations = z.infer<typeof Revocations>

/** `keys.json` in the state folder: API keys, hashed. Written by "tollgate keys", watched by the gateway. */
export const ApiKeys = z.strictObject({
  keys: z.array(
    z.strictObject({
      id: z.string(),
      hash: z.string().meta({ description: 'HMAC-SHA-256 of the key under the pepper of the state folder, base64url.' }),
      name: z.string().optional(),
      principal: z.strictObject({
        subject: z.string(),
        kind: z.enum(['user', 'agent', 'service']),
        org: z.string().optional(),
        team: z.string().optional(),
        project: z.string().optional(),
        agent: z.string().optional(),
        user: z.string().optional(),
        groups: z.array(z.string()),
        roles: z.array(z.string()),
        scopes: z.array(z.string()),
      }),
      createdAt: z.string(),
      expiresAt: z.string().optional(),
      revokedAt: z.string().optional(),
      replacedBy: z.string().optional(),
    }),
  ),
})
export type ApiKeys = z.infer<typeof ApiKeys>
