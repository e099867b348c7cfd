import { isSecretName, REDACTED, redact } from './redact.ts'

/** The levels of a log line, most important first. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Facts of a log line: flat, dotted names as in the OpenTelemetry conventions. Absent ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

const MAX_TEXT = 4_096
/** Characters that JSON leaves as they are and that a terminal or a viewer would act on: C1 controls, line separators, text direction. */
const ACTIVE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** One log line: one JSON object and a line break. No field can end the line, move a cursor or carry a credential. */
export function toLogLine(level: LogLevel, message: string, fields: LogFields, at: number): string {
  const line: Record<string, string | number | boolean> = {
    timestamp: new Date(at).toISOString(),
    level,
    message: clean(message),
  }
  for (const name in fields) {
    const value = fields[name]
    if (value === undefined || value === null) continue
    line[name] = isSecretName(name) ? REDACTED : typeof value === 'string' ? clean(value) : value
  }
  return `${escapeActive(JSON.stringify(line))}\n`
}

/** Escapes in finished JSON what a terminal would act on; such characters stand in strings only. */
export function escapeActive(json: string): string {
  return json.replaceAll(ACTIVE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function clean(text: string): string {
  return redact(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text)
}
