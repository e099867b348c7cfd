import { explainMembers, pathOf } from './import-report.ts'
import { asList, asObject, type ImportWork, plainText, textsIn, textOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** Fields of LiteLLM that name a claim, and what the claim says here. */
const CLAIMS: Readonly<Record<string, string>> = {
  team_id_jwt_field: 'team',
  team_alias_jwt_field: 'team',
  team_ids_jwt_field: 'groups',
  user_id_jwt_field: 'user',
  user_email_jwt_field: 'user',
  org_id_jwt_field: 'org',
  org_alias_jwt_field: 'org',
  roles_jwt_field: 'roles',
  user_roles_jwt_field: 'roles',
}

const REASONS: Readonly<Record<string, string>> = {
  admin_jwt_scope: 'operators have the role admin: map it with "claims.roles"',
  team_jwt_scope: 'a token with a team is a token of that team',
  user_id_upsert: '~whoever a token names exists',
  team_id_upsert: '~whichever team a token names exists',
  team_id_default: 'write a catalog for callers without a team: "when": "principal.team == \'\'"',
  public_key_ttl: '~keys are fetched again after "identity.jwks.maxAgeMs"',
  user_allowed_email_domain: 'write it as "for.when" of the catalogs',
  enforce_rbac: '~nobody may use a model no catalog grants',
  enforce_team_based_model_access: '~nobody may use a model no catalog grants',
  enforce_scope_based_access: 'write "requiredScopes", or "for.when" of the catalogs',
  scope_mappings: 'write "for.when" of the catalogs, with principal.scopes',
  role_mappings: 'write "for.when" of the catalogs, with principal.roles',
  role_permissions: 'write "for.when" of the catalogs, with principal.roles',
  jwt_litellm_role_map: 'map roles with "claims.roles"',
  end_user_id_jwt_field: 'there is one user of a credential: "claims.user"',
  object_id_jwt_field: 'there is one team of a credential: "claims.team"',
  admin_allowed_routes: 'which doors there are is fixed',
  team_allowed_routes: 'which doors there are is fixed',
  public_allowed_routes: 'nothing is open but health',
  virtual_key_claim_field: 'tokens are not mapped to keys; a catalog is for a team or an agent',
  sync_user_role_and_teams: '~the credential says who somebody is, each time',
  custom_validate: 'code of LiteLLM is not run: write "when"',
  oidc_userinfo_enabled: 'who a caller is stands in the token, not at the issuer',
  oidc_userinfo_endpoint: 'who a caller is stands in the token, not at the issuer',
}

/** The JWT block as issuers. What LiteLLM takes from its environment (keys, audience, issuer) becomes `${NAME}`. */
export function addIssuers(work: ImportWork, config: Draft): void {
  const general = asObject(config['general_settings'])
  const path = 'general_settings.litellm_jwtauth'
  const block = asObject(general['litellm_jwtauth'])
  if (general['enable_jwt_auth'] !== true) {
    if (general['enable_jwt_auth'] !== undefined) work.report.imported('general_settings.enable_jwt_auth', 'no issuer')
    if (general['litellm_jwtauth'] !== undefined) work.report.skipped(path, '"enable_jwt_auth" is off')
    return
  }
  const listed = asList(block['issuers'])
  if (listed.length === 0) work.issuers.push(fromEnvironment(work, config, block))
  for (const [index, item] of listed.entries()) {
    const place = pathOf(`${path}.issuers`, index)
    const issuer = asObject(item)
    if (typeof issuer['issuer'] === 'string') work.issuers.push(fromList(work, place, { ...block, ...issuer }))
    else work.report.skipped(place, 'it names no "issuer"')
    explain(work, place, { value: issuer, known: ['issuer', 'audience', 'jwks_url', 'jwks_uri', 'public_key_url'] })
  }
  work.report.imported('general_settings.enable_jwt_auth', '"identity.issuers"')
  explain(work, path, { value: block, known: ['issuers'] })
}

function explain(
  work: ImportWork,
  path: string,
  { value, known }: { readonly value: Draft; readonly known: readonly string[] },
): void {
  const members = Object.keys(value)
  for (const member of members) {
    const claim = Object.hasOwn(CLAIMS, member) ? CLAIMS[member] : undefined
    if (claim !== undefined) work.report.imported(pathOf(path, member), `"claims.${claim}" of the issuer`)
    else if (known.includes(member) && member !== 'issuers') work.report.imported(pathOf(path, member), '"identity.issuers"')
  }
  explainMembers(
    work.report,
    { path, members: members.filter((member) => !known.includes(member) && !Object.hasOwn(CLAIMS, member)) },
    REASONS,
  )
}

function fromEnvironment(work: ImportWork, config: Draft, block: Draft): Draft {
  const path = 'general_settings.enable_jwt_auth'
  const written = asObject(config['environment_variables'])
  const text = (name: string, sample: string) => {
    const value = written[name]
    return plainText(work, typeof value === 'string' ? value : `os.environ/${name}`, { path, sample })
  }
  const url = text('JWT_PUBLIC_KEY_URL', 'https://set.invalid/jwks')
  work.report.approximated(
    path,
    'LiteLLM checks neither issuer nor audience unless told; here both are exact: JWT_ISSUER and JWT_AUDIENCE',
  )
  return issuerOf({ issuer: text('JWT_ISSUER', 'https://set.invalid'), audience: [text('JWT_AUDIENCE', 'set')], url }, block)
}

function fromList(work: ImportWork, path: string, block: Draft): Draft {
  const text = (value: unknown, member: string) =>
    plainText(work, textOf(value), { path: pathOf(path, member), sample: 'https://set.invalid' })
  const url = block['jwks_url'] ?? block['jwks_uri'] ?? block['public_key_url']
  const audience = textsIn(block['audience']).map((name) => text(name, 'audience'))
  return issuerOf(
    {
      issuer: text(block['issuer'], 'issuer'),
      ...(audience.length === 0 ? {} : { audience }),
      ...(typeof url === 'string' ? { url: text(url, 'jwks_url') } : {}),
    },
    block,
  )
}

type Found = { readonly issuer: string; readonly audience?: readonly string[]; readonly url?: string }

function issuerOf({ issuer, audience, url }: Found, block: Draft): Draft {
  const claims = new Map<string, string[]>()
  for (const [member, claim] of Object.entries(CLAIMS)) {
    const field = block[member]
    if (typeof field === 'string' && field !== '') claims.set(claim, [...(claims.get(claim) ?? []), toPointer(field)])
  }
  const isMetadata = url === undefined || (url.includes('/.well-known/openid-configuration') && !url.endsWith('/jwks'))
  return {
    issuer,
    ...(audience === undefined ? {} : { audience }),
    jwks: isMetadata ? { discovery: true } : { url },
    ...(claims.size === 0
      ? {}
      : {
          claims: Object.fromEntries(
            [...claims].map(([claim, pointers]) => [claim, pointers.length === 1 ? pointers[0] : pointers]),
          ),
        }),
  }
}

/** `realm.team` as `/realm/team`. */
function toPointer(field: string): string {
  return field
    .split('.')
    .map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
}
