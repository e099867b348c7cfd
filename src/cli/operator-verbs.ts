import type { Command } from 'commander'
import type { DoctorOptions } from './doctor.ts'
import type { ExplainOptions } from './explain.ts'
import { configPath } from './gateway-file.ts'
import type { HealthOptions } from './health.ts'
import { httpUrl, type Verbs } from './verb.ts'

/** Adds the verbs about a gateway as a whole: start, explain, doctor and health. */
export function addOperatorVerbs(program: Command, { io, lent, action }: Verbs): void {
  program
    .command('start')
    .description('run the gateway')
    .action(action(({ config }) => lent.start({ config: configPath(config, io) })))

  program
    .command('explain')
    .description('why a caller may or may not use something, and what would change that')
    .option('--principal <who>', 'the caller: JSON, or pairs such as team=research,user=ann,roles=a|b')
    .option('--token <token>', 'the caller: a token, as the gateway would read it')
    .option('--tool <name>', 'a tool, by shown name, upstream name or server/name')
    .option('--prompt <name>', 'a prompt')
    .option('--resource <uri>', 'a resource')
    .option('--catalog <id>', 'only this catalog')
    .option('--args <json>', 'the arguments of the call')
    .option('--admin-url <url>', 'the admin listener (default: that of the configuration)', httpUrl)
    .option('--json', 'as JSON')
    .action(
      action<ExplainOptions>(async (options) => {
        const { explain } = await import('./explain.ts')
        return await explain(options, io, lent)
      }),
    )

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
