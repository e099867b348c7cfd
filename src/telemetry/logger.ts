import { createLogger as createWinston, format, transports } from 'winston'
import { LOG_LEVELS, type LogFields, type LogLevel, toLogLine } from './log-line.ts'

/** Operational log lines. Messages are constant strings, facts are fields. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>> & {
  /** Whether lines of this level are written; guards work done only for a log line. */
  enabled(level: LogLevel): boolean
}

/** Where lines go and from which level on. */
export interface LoggerOptions {
  readonly level: LogLevel
  readonly stream: NodeJS.WritableStream
  /** Milliseconds since the epoch. */
  now(): number
}

/** The property under which winston's transports look for the finished line. */
const LINE = Symbol.for('message')

/** A logger that writes one JSON object per line. */
export function createLogger(options: LoggerOptions): Logger {
  const winston = createWinston({
    level: options.level,
    levels: Object.fromEntries(LOG_LEVELS.map((level, rank) => [level, rank])),
    format: format((info) => Object.assign(info, { [LINE]: info['line'] }))(),
    transports: [new transports.Stream({ stream: options.stream, eol: '' })],
  })
  const threshold = LOG_LEVELS.indexOf(options.level)
  const enabled = (level: LogLevel) => LOG_LEVELS.indexOf(level) <= threshold
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (enabled(level)) winston.log({ level, message: '', line: toLogLine(level, message, fields, options.now()) })
    }
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug'), enabled }
}
