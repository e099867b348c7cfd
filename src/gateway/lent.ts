import { join } from 'node:path'
import { readConfig } from '../catalog/read.ts'
import type { CliIo } from '../cli/io.ts'
import { EXIT } from '../cli/io.ts'
import type { Lent } from '../cli/lent.ts'
import { describeProblem } from '../cli/validate.ts'
import { startGateway, type RunningGateway } from '../gateway.ts'
import { openDevelopmentIssuer } from '../identity/development.ts'
import { openKeyStore } from '../store/keys.ts'
import { renderBanner } from './banner.ts'
import { proveGuards } from './guards.ts'

/** The process as main.ts gives it. */
export interface ProcessSide {
  readonly io: CliIo
  readonly version: string
  /** The folder of package.json. */
  readonly root: string
  readonly log: NodeJS.WritableStream
  /** Registers what to do about an error nobody caught. */
  onFatal(handle: (error: unknown) => void): void
}

const TOKEN_SECONDS = 43_200

/** What the verbs borrow from the rooms they may not import. */
export function createLent(side: ProcessSide): Lent {
  const { io, version, root } = side
  return {
    version,
    command: [process.execPath, join(root, 'bin', 'tollgate.mjs')],
    start: ({ config }) => start(config, side),
    prove: proveGuards,
    keys: (stateFolder) => openKeyStore(stateFolder, () => Date.now()),
    async development(config) {
      const files = await readConfig(config, io.env)
      const gateway = files.gateway?.value
      if (gateway?.mode !== 'development') return undefined
      return await openDevelopmentIssuer(join(files.folder, gateway.state), () => Date.now())
    },
  }
}

async function start(config: string, side: ProcessSide): Promise<number> {
  const { io, version, log } = side
  if ((io.env['NODE_DEBUG'] ?? '') !== '') {
    io.err('tollgate: NODE_DEBUG is set; it prints headers and environments, and so credentials. Unset it and start again.\n')
    return EXIT.invalid
  }
  const files = await proveGuards(await readConfig(config, io.env))
  if (files.gateway === undefined) {
    io.err(`tollgate: ${config} cannot be used\n${files.problems.map(describeProblem).join('\n')}`)
    return EXIT.invalid
  }
  const gateway = await startGateway({ files, env: io.env, version, log })
  io.out(renderBanner(await bannerFacts(gateway, side)))

  const fatal = new Promise<unknown>((resolve) => side.onFatal(resolve))
  const stopped = new Promise<undefined>((resolve) => {
    if (io.signal.aborted) resolve(undefined)
    io.signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const error = await Promise.race([fatal, stopped])
  if (error !== undefined) gateway.observing.report({ type: 'internal-error', error })
  await gateway.stop()
  return error === undefined ? EXIT.ok : EXIT.failure
}

async function bannerFacts(
  { doors, callers, files }: RunningGateway,
  { root }: ProcessSide,
): Promise<Parameters<typeof renderBanner>[0]> {
  const { development } = callers
  const snapshot = files.current.get()
  const teams = [...snapshot.catalogs.values()].flatMap(({ id, audience }) =>
    (audience.teams ?? []).filter((team) => !team.includes('*')).map((team) => ({ team, catalog: id })),
  )
  const seen = teams.filter(({ team }, index) => teams.findIndex((other) => other.team === team) === index)
  const tokens =
    development === undefined
      ? []
      : await Promise.all(
          seen.map(async (entry) => ({
            ...entry,
            token: await development.mint({ team: entry.team, ttlSeconds: TOKEN_SECONDS }),
          })),
        )
  return {
    publicUrl: doors.publicUrl,
    adminUrl: doors.admin.url,
    healthUrl: doors.health.url,
    isDevelopment: development !== undefined,
    tokens,
    adminToken: await development?.mint({ subject: 'developer', roles: ['admin'], ttlSeconds: TOKEN_SECONDS }),
    models: [...new Set([...snapshot.catalogs.values()].flatMap(({ items }) => items.model.map(({ name }) => name)))],
    problems: snapshot.problems,
    command: [process.execPath, join(root, 'bin', 'tollgate.mjs')],
  }
}
