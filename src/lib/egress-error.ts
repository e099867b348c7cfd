/** Why something did not go out or come back. The message names no address and no answer, so it is no port scanner. */
export class EgressError extends Error {
  readonly reason: 'refused' | 'timeout' | 'too-large' | 'unreachable' | 'aborted'

  constructor(reason: EgressError['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EgressError'
    this.reason = reason
  }
}
