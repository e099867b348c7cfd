import type { Target } from '../target.ts'
import { httpEdge } from './http-edge.ts'

/** Every target behind a socket, by name. */
export const SOCKETS: Readonly<Record<string, () => Promise<Target>>> = { 'http-edge': httpEdge }
