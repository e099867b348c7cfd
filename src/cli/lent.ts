import type { ConfigFiles } from '../config/load.ts'
import type { KeyChanges } from './keys.ts'

/** Asks the development issuer for a token; only there in development mode. */
export interface DevelopmentTokens {
  /** A token for the data or admin listener. Without `team` and `roles` it can do nothing. */
  mint(options: {
    readonly team?: string
    readonly subject?: string
    readonly roles?: readonly string[]
    readonly ttlSeconds: number
    readonly audience?: string
  }): Promise<string>
}

/** What verbs need from rooms the command line may not import; made by main.ts. `config` is an absolute path. */
export interface Lent {
  /** Version of the package. */
  readonly version: string
  /** How this program is started again from anywhere: absolute paths, for instance of Node and of `bin/tollgate.mjs`. */
  readonly command: readonly string[]
  /** Runs the gateway until it is told to stop. */
  start(options: { readonly config: string }): Promise<number>
  /** Checks of files that take more than reading them: whether every guard acts. */
  prove(files: ConfigFiles): Promise<ConfigFiles>
  /** The API keys of a state folder. */
  keys(stateFolder: string): Promise<KeyChanges>
  /** The development issuer of that configuration, or undefined outside development mode. */
  development(config: string): Promise<DevelopmentTokens | undefined>
}
