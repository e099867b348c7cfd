import { startProviders, type FakeProviders } from '../../servers/providers/server.ts'

/** Starts the fake providers in this process on a free port: every wire on its native paths, scripted per request. */
export async function startFakeProviders(options: Parameters<typeof startProviders>[0] = {}): Promise<FakeProviders> {
  return await startProviders(options)
}
