/** Tells the other workers of a gateway what this one has learned, and hears what they have. */
export interface Gossip {
  /** Posts a value, plain data, to all others before it returns. */
  tell(topic: string, name: string, value: unknown): void
  hear(topic: string, listener: (name: string, value: unknown) => void): void
  /** Hears everything that was told until now. */
  catchUp(): void
}

/** For a gateway with one worker. */
export const NO_GOSSIP: Gossip = { tell: () => undefined, hear: () => undefined, catchUp: () => undefined }
