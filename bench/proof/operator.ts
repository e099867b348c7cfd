import type { Site } from './gate.ts'

/** Somebody who looks at a gateway through its admin listener. */
export interface Operator {
  get(path: string): Promise<string>
  /** One value of `/metrics`; NaN when it is not there. */
  metric(name: string, label?: string): Promise<number>
  reload(): Promise<void>
  /** Milliseconds the event loop was late at most since this was asked last. */
  loopDelayMs(quantile: '0.99' | '1'): Promise<number>
}

/** Makes an operator with a token of the role `admin`. */
export async function createOperator(site: Site): Promise<Operator> {
  const headers = { authorization: `Bearer ${await site.token({ team: 'proof', subject: 'operator', roles: ['admin'] })}` }
  const ask = async (path: string, method: string): Promise<string> => {
    const answer = await fetch(site.adminUrl + path, { method, headers })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path} got ${answer.status}: ${text.slice(0, 300)}`)
    return text
  }
  const metric = async (name: string, label = ''): Promise<number> => {
    const line = (await ask('/metrics', 'GET')).split('\n').find((one) => one.startsWith(name) && one.includes(label))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }
  return {
    get: (path) => ask(path, 'GET'),
    metric,
    reload: async () => void (await ask('/admin/v1/reload', 'POST')),
    loopDelayMs: async (quantile) => (await metric('tollgate_event_loop_delay_seconds', `quantile="${quantile}"`)) * 1_000,
  }
}
