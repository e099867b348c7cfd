import { explainMembers, pathOf } from './import-report.ts'
import { asObject, type ImportWork, textsIn } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** A setting and where it stands. */
export interface Setting {
  readonly value: unknown
  readonly path: string
}

/** `router_settings` over `litellm_settings`: of a setting in both the router's holds. */
export interface Settings {
  get(name: string): Setting | undefined
}

/** Settings that other parts of the import read; the rest is explained by `explainSettings`. */
export function settingsOf(config: Draft): Settings {
  const places = ['router_settings', 'litellm_settings'] as const
  return {
    get(name) {
      const place = places.find((one) => asObject(config[one])[name] !== undefined && asObject(config[one])[name] !== null)
      return place === undefined ? undefined : { value: asObject(config[place])[name], path: pathOf(place, name) }
    },
  }
}

const BREAKER =
  '~the breaker opens at 5 failures that are half of what ended in 10 seconds, for 5 seconds, doubling to 60; it is not set'
const CALLBACK = 'callbacks are not run: the ledger, /metrics and "telemetry.otlp" carry every exchange'
const CACHE = 'answers are not cached; "sticky" keeps the prompt cache of the provider warm'
const REDIS = 'there is no Redis: state is in the gateway'

const IMPORTED: Readonly<Record<string, string>> = {
  timeout: '~"clocks.totalMs" of every route: all attempts together',
  request_timeout: '~"clocks.totalMs" of every route: all attempts together',
  stream_timeout: '~"clocks.firstTokenMs" of every route',
  num_retries: '~"retries" of every route: over all its targets, one more per fallback',
  retry_policy: '~one number for every kind of failure: "retries"; what the caller caused is never retried',
  model_group_retry_policy: '~one number for every kind of failure: "retries" of the route',
  enable_tag_filtering: '~tags of targets are groups of the caller: "when" of the target',
  max_fallbacks: '~as many tiers as there are fallbacks left',
}

const ROUTER: Readonly<Record<string, string>> = {
  ...IMPORTED,
  routing_strategy_args: '~times to first token are measured over the last requests; the window is not set',
  retry_after: 'waits follow Retry-After of the provider',
  allowed_fails: BREAKER,
  allowed_fails_policy: BREAKER,
  cooldown_time: BREAKER,
  disable_cooldowns: BREAKER,
  context_window_fallbacks:
    'what is too large is answered to the caller; give the larger model a target with "when": "request.inputTokens > N"',
  content_policy_fallbacks: 'what a provider filters is answered to the caller, not sent to another model',
  enable_pre_call_checks: '~targets a request cannot go to are skipped anyway',
  tag_filtering_match_any: '~one tag is enough',
  deployment_affinity_ttl_seconds: '~a session keeps its target while that is well: "sticky"',
  provider_budget_config: 'budgets belong to catalogs, not to providers',
  redis_host: REDIS,
  redis_port: REDIS,
  redis_password: REDIS,
  redis_url: REDIS,
  caching_groups: CACHE,
  cache_responses: CACHE,
  default_max_parallel_requests: 'connections are bounded per provider: "connections"',
  client_ttl: 'connections are kept open as long as the provider allows',
  set_verbose: 'write "telemetry.level"',
}

const LITELLM: Readonly<Record<string, string>> = {
  ...ROUTER,
  callbacks: CALLBACK,
  success_callback: CALLBACK,
  failure_callback: CALLBACK,
  service_callback: CALLBACK,
  turn_off_message_logging: '~messages are never logged',
  redact_user_api_key_info: '~keys are never logged',
  json_logs: '~logs are JSON',
  drop_params: '~what a target cannot express is dropped and named in X-Tollgate-Dropped, unless the route says "strict"',
  cache: CACHE,
  cache_params: CACHE,
  default_team_params: 'defaults of new teams: write a catalog per team',
  default_team_settings: 'callbacks of teams are not run',
  key_generation_settings: 'keys are made by operators only: "tollgate keys create"',
  cost_margin_config: 'what you charge others is not kept; "tollgate usage" exports the cost',
  default_internal_user_params: 'there are no users to sign up',
  ssl_verify: 'certificates are always verified',
}

const GENERAL: Readonly<Record<string, string>> = {
  master_key: 'there is no master key; make keys with "tollgate keys create --role admin"',
  database_url: 'there is no database to connect to: the ledger is in the state folder',
  database_connection_pool_limit: 'there is no database to connect to: the ledger is in the state folder',
  database_connection_timeout: 'there is no database to connect to: the ledger is in the state folder',
  proxy_batch_write_at: '~every entry is written before the last byte goes out',
  allow_requests_on_db_unavailable: '~"ledger.spillBytes" says how long calls go on without a disk',
  store_model_in_db: 'models in the database are not in this file: save the answer of /model/info and pass it with --models',
  litellm_key_header_name: 'callers send Authorization: Bearer, or x-api-key',
  user_api_key_cache_ttl: 'keys are checked in memory',
  max_parallel_requests: 'write "limits.concurrent" of a catalog, by user',
  global_max_parallel_requests: '~"bounds.inFlight" bounds what is under way; the default is 2000',
  max_request_size_mb: '~"bounds.modelBodyBytes" bounds it; the default is 32 MiB',
  max_response_size_mb: '~"bounds.modelAnswerBytes" bounds it; the default is 32 MiB',
  key_management_system: 'secrets are references to the environment or to files, which a secret manager can fill',
  key_management_settings: 'secrets are references to the environment or to files, which a secret manager can fill',
  alerting: 'events are log lines and metrics: alert on those',
  alerting_threshold: 'events are log lines and metrics: alert on those',
  alert_types: 'events are log lines and metrics: alert on those',
  pass_through_endpoints: 'there are no pass-through doors',
  use_redis_transaction_buffer: REDIS,
  disable_spend_logs: 'every exchange leaves a ledger entry',
  maximum_spend_logs_retention_period: 'the ledger is kept until you move it away',
  enable_health_check_routing: '~targets are judged by real traffic',
  background_health_checks: '~targets are judged by real traffic',
  health_check_interval: '~targets are judged by real traffic',
  role_permissions: 'operators have the roles admin, auditor and viewer',
  allowed_routes: 'which doors there are is fixed',
  public_routes: 'nothing is open but health',
  enforced_params: 'write it as "when" of the route',
  token_rate_limit_type: '~"tokensPerMinute" counts input and output together',
  custom_auth: 'code of LiteLLM is not run; use JWTs or keys',
  completion_model: 'a request names its model',
}

const ROOT: Readonly<Record<string, string>> = {
  callback_settings: CALLBACK,
  worker_registry: 'one process serves all requests',
  vector_store_registry: 'vector stores are not served',
  search_tools: 'search tools are not served; register an MCP server',
}

/** Members read elsewhere, per section. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  router_settings: [
    'routing_strategy',
    'routing_groups',
    'fallbacks',
    'default_fallbacks',
    'model_group_alias',
    'optional_pre_call_checks',
  ],
  litellm_settings: [
    'routing_strategy',
    'routing_groups',
    'fallbacks',
    'default_fallbacks',
    'model_group_alias',
    'optional_pre_call_checks',
    'cost_discount_config',
    'max_budget',
    'budget_duration',
    'mcp_aliases',
  ],
  general_settings: ['enable_jwt_auth', 'litellm_jwtauth'],
}
const SECTIONS = [
  'model_list',
  'credential_list',
  'guardrails',
  'mcp_servers',
  'environment_variables',
  ...Object.keys(ELSEWHERE),
]

/** Says of every setting no other part reads what becomes of it. */
export function explainSettings(work: ImportWork, config: Draft): void {
  explainMembers(work.report, { path: '', members: Object.keys(config).filter((key) => !SECTIONS.includes(key)) }, ROOT)
  explain(work, config, { section: 'router_settings', reasons: ROUTER })
  explain(work, config, { section: 'litellm_settings', reasons: LITELLM })
  explain(work, config, { section: 'general_settings', reasons: GENERAL })
  const checks = settingsOf(config).get('optional_pre_call_checks')
  for (const [index, check] of textsIn(checks?.value).entries()) {
    const path = pathOf(checks?.path ?? '', index)
    if (/affinity|prompt_caching|responses_api/.test(check))
      work.report.approximated(path, '"sticky" on every route: a session keeps its target while that is well')
    else if (check === 'enforce_model_rate_limits')
      work.report.approximated(path, '"limits" of each route: the sum over its targets')
    else work.report.skipped(path, 'budgets belong to catalogs, not to providers')
  }
  const variables = asObject(config['environment_variables'])
  for (const name of Object.keys(variables))
    work.report.skipped(pathOf('environment_variables', name), 'set it in the environment of the gateway; values are not copied')
}

function explain(
  work: ImportWork,
  config: Draft,
  { section, reasons }: { readonly section: string; readonly reasons: Readonly<Record<string, string>> },
): void {
  const members = Object.keys(asObject(config[section]))
  const twice =
    section === 'litellm_settings' ? members.filter((member) => asObject(config['router_settings'])[member] !== undefined) : []
  for (const member of twice) work.report.skipped(pathOf(section, member), '"router_settings" says it too, and wins')
  const rest = members.filter((member) => !twice.includes(member) && ELSEWHERE[section]?.includes(member) !== true)
  explainMembers(work.report, { path: section, members: rest }, reasons)
}
