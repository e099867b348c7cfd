import type { Target } from '../target.ts'

/** Every target behind a socket, by name. */
export const SOCKETS: Readonly<Record<string, () => Promise<Target>>> = {}
