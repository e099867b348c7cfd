/** What a caller takes as an answer. */
export interface Accept {
  readonly json: boolean
  readonly stream: boolean
  /** The caller named event streams before JSON: it wants one. */
  readonly prefersStream: boolean
}

const BOTH: Accept = { json: true, stream: true, prefersStream: false }

/** Reads an `Accept` header. Absent means anything. */
export function readAccept(header: string | undefined): Accept {
  // What nearly every client sends, word for word.
  if (header === undefined || header === 'application/json, text/event-stream') return BOTH
  const ranges = header
    .toLowerCase()
    .split(',')
    .filter((range) => !/;\s*q=0(\.0*)?\s*$/.test(range))
    .map((range) => (range.split(';', 1)[0] ?? '').trim())
  const json = ranges.findIndex((range) => range === 'application/json' || range === 'application/*' || range === '*/*')
  const stream = ranges.findIndex((range) => range === 'text/event-stream' || range === 'text/*' || range === '*/*')
  return { json: json >= 0, stream: stream >= 0, prefersStream: stream >= 0 && (json < 0 || stream < json) }
}

/** Tells whether a `Content-Type` header is exactly the media type of JSON, which is UTF-8. Parameters are ignored but for another charset. */
export function isJsonType(header: string | undefined): boolean {
  if (header === 'application/json') return true
  const [type = '', ...parameters] = (header ?? '').toLowerCase().split(';')
  return type.trim() === 'application/json' && !parameters.some(isOtherCharset)
}

function isOtherCharset(parameter: string): boolean {
  const [name = '', value = ''] = parameter.split('=', 2)
  return name.trim() === 'charset' && !/^"?utf-?8"?$/.test(value.trim())
}
