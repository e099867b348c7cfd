/**
 * The flags of this process that confine it, for a worker thread that is started without the rest of the command line: a thread with
 * arguments of its own runs outside of the permission model unless they name it. Warnings that are off stay off.
 */
export function workerFlags(): string[] {
  return process.execArgv.filter((flag) => /^--(permission|allow-|disable-warning=)/.test(flag))
}
