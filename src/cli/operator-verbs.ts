import { dirname, resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { adminToken } from './admin-client.ts'
import type { DoctorOptions } from './doctor.ts'
import type { ExplainOptions } from './explain.ts'
import { configPath, readGatewayFile } from './gateway-file.ts'
import type { HealthOptions } from './health.ts'
import type { ShowPricesOptions } from './prices.ts'
import type { UsageOptions } from './usage.ts'
import { collect, httpUrl, type Verbs } from './verb.ts'

/** Adds the verbs about a gateway as a whole: start, permissions, explain, usage, prices, doctor and health. */
export function addOperatorVerbs(program: Command, verbs: Verbs): void {
  const { io, lent, action } = verbs
  program
    .command('start')
    .description('run the gateway')
    .option('--restricted', 'under the permission model of Node, with what "tollgate permissions" prints and nothing else')
    .action(
      action<{ restricted?: boolean }>(async ({ config, restricted = false }) => {
        const path = configPath(config, io)
        if (!restricted) return await lent.start({ config: path })
        const { startRestricted } = await import('./permissions.ts')
        return await startRestricted(path, io, lent)
      }),
    )
  program
    .command('permissions')
    .description('the flags that give Node what the gateway of this configuration needs, and nothing else')
    .option('--json', 'as JSON')
    .action(
      action<{ json?: boolean }>(async ({ config, json = false }) => {
        const { permissions } = await import('./permissions.ts')
        return await permissions({ config: configPath(config, io), json }, io)
      }),
    )
  addExplain(program, verbs)
  addUsage(program, verbs)
  addPrices(program, verbs)
  addChecks(program, verbs)
}

function addExplain(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('explain')
    .description('why a caller may or may not use something, and what would change that')
    .option('--principal <who>', 'the caller: JSON, or pairs such as team=research,user=ann,roles=a|b')
    .option('--token <token>', 'the caller: a token, as the gateway would read it')
    .option('--tool <name>', 'a tool, by shown name, upstream name or server/name')
    .option('--prompt <name>', 'a prompt')
    .option('--resource <uri>', 'a resource')
    .option('--model <name>', 'a model, with the targets of its route')
    .option('--catalog <id>', 'only this catalog')
    .option('--session <name>', 'the run, as X-Tollgate-Session names it: its budgets and its target of a sticky route')
    .option('--args <json>', 'the arguments of the call')
    .option('--request <json>', 'facts of a model request, such as {"stream":true,"inputTokens":900}')
    .option('--exchange <id>', 'what happened to one request: the X-Tollgate-Request-Id of its answer')
    .option('--admin-url <url>', 'the admin listener (default: that of the configuration)', httpUrl)
    .option('--json', 'as JSON')
    .action(
      action<ExplainOptions>(async (options) => {
        const { explain } = await import('./explain.ts')
        return await explain(options, io, lent)
      }),
    )
}

function addUsage(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('usage')
    .description('who called what: calls, errors, latency, bytes, tokens and cost; by session, every run with its entries')
    .option(
      '--by <dimensions>',
      'group by these, separated by commas: team, project, agent, user, session, server, tool, provider, model, ... (default: team,server)',
    )
    .option('--since <time>', 'RFC 3339, a date, or a span such as 7d')
    .option('--until <time>', 'the end of the range (default: now)')
    .option('--where <filter>', 'such as team=research; may be given again', collect)
    .addOption(new Option('--format <format>').choices(['table', 'json', 'csv']).default('table'))
    .option('--json', 'the same as --format json')
    .option('--offline', 'read the files of the state folder instead of asking the gateway')
    .action(
      action<UsageOptions & { json?: boolean }>(async ({ json = false, ...options }) => {
        const { path, gateway, adminUrl } = await readGatewayFile(configPath(options.config, io), io)
        const source = { adminUrl, stateFolder: resolve(dirname(path), gateway.state), token: () => adminToken(path, io, lent) }
        const { usage } = await import('./usage.ts')
        return await usage(json ? { ...options, format: 'json' } : options, source, io)
      }),
    )
}

function addPrices(program: Command, { io, action }: Verbs): void {
  const prices = program.command('prices').description('what models cost, and which row of which file says so')
  prices
    .command('check')
    .description('the targets of routes whose price is not known; exit 1 when there are any')
    .option('--json', 'as JSON')
    .action(
      action<{ json?: boolean }>(async ({ config, json = false }) => {
        const { checkPrices } = await import('./prices.ts')
        return await checkPrices({ config: configPath(config, io), json }, io)
      }),
    )
  prices
    .command('show <provider-type> <model>')
    .description(
      'what a model is charged; the type of its provider is openai, anthropic, ... or the profile of an OpenAI-shaped one',
    )
    .option('--region <region>', 'where it runs')
    .option('--tier <tier>', 'the service tier: priority, flex or batch')
    .option('--provider <id>', 'the provider in tollgate.json whose discounts apply')
    .action(
      action<ShowPricesOptions>(async (options, [type = '', model = '']) => {
        const { showPrices } = await import('./prices.ts')
        return await showPrices({ config: configPath(options.config, io), type, model }, options, io)
      }),
    )
}

function addChecks(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('doctor')
    .description('check this installation, one line per check, with the fix')
    .option('--url <url>', 'only what a client of a gateway at this public URL can see', httpUrl)
    .option('--json', 'as JSON')
    .action(
      action<DoctorOptions>(async (options) => {
        const { doctor } = await import('./doctor.ts')
        return await doctor(options, io, lent)
      }),
    )

  program
    .command('health')
    .description('exit 0 when the gateway lives (for containers)')
    .option('--url <url>', 'the health listener (default: that of the configuration)', httpUrl)
    .action(
      action<HealthOptions>(async (options) => {
        const { health } = await import('./health.ts')
        return await health(options, io)
      }),
    )
}
