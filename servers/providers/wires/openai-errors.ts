import type { Refusal } from '../wire.ts'

const TYPES: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  403: ['invalid_request_error', 'unsupported_country_region_territory'],
  404: ['invalid_request_error', 'model_not_found'],
  413: ['invalid_request_error', 'request_too_large'],
  429: ['requests', 'rate_limit_exceeded'],
}

/** The error object of the OpenAI protocols. */
export function openaiError({ status, message, code }: Refusal): {
  type: string
  code: string | null
  message: string
  param: null
} {
  const [type, usual] = TYPES[status] ?? ['server_error', null]
  return { message, type: code === 'insufficient_quota' ? code : type, param: null, code: code ?? usual }
}
