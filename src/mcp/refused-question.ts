import { isJsonObject, type Json } from '../core/json.ts'
import type { InputRequest } from './upstream/contract.ts'

// What a form must not ask for (2025-11-25 and 2026-07-28, elicitation: sensitive information goes by URL). Words, after names were split.
const SECRET = new RegExp(
  '\\b(?:password|passwd|passphrase|pwd|secret|cvv|cvc|otp|seed phrase|one time code|credit card|card (?:number|no)' +
    '|(?:api|access|private|secret|signing) ?key|(?:access|auth|api|bearer|refresh|session) ?token)s?\\b',
)

/** Why a server's questions may not reach a person: a form that asks for a secret, or an address that is no web page. */
export function refusedQuestion(requests: Readonly<Record<string, InputRequest>>): string | undefined {
  for (const { method, params } of Object.values(requests)) {
    if (method !== 'elicitation/create') continue
    if (params?.['mode'] === 'url') {
      if (!isWebAddress(params['url'])) return 'it sends to an address that is no web page'
      continue
    }
    if (asksForSecret(params?.['requestedSchema'])) return 'its form asks for a secret'
  }
  return undefined
}

function isWebAddress(url: Json | undefined): boolean {
  if (typeof url !== 'string') return false
  return ['http:', 'https:'].includes(URL.parse(url)?.protocol ?? '')
}

function asksForSecret(schema: Json | undefined): boolean {
  const properties = isJsonObject(schema) ? schema['properties'] : undefined
  if (!isJsonObject(properties)) return false
  return Object.entries(properties).some(([name, field]) => {
    const texts = isJsonObject(field) ? [name, field['title'], field['description'], field['format']] : [name]
    return texts.some((text) => typeof text === 'string' && SECRET.test(wordsOf(text)))
  })
}

/** `apiKey`, `API_KEY` and `api-key` are two words each. */
function wordsOf(text: string): string {
  return text
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll(/[^a-zA-Z0-9]+/g, ' ')
    .toLowerCase()
}
