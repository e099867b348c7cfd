/** What stands where a secret stood. */
export const REDACTED = '[redacted]'

/** Each form of secret, and what of the match may stay. Every pattern runs in linear time. */
const SECRETS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,16384}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, REDACTED],
  [/\b(Bearer|Basic|Digest|Negotiate)\s+[A-Za-z0-9\-._~+/=]{6,}/gi, `$1 ${REDACTED}`],
  [/\btgk_[A-Za-z0-9_-]+/g, REDACTED],
  [/\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,3}/g, REDACTED],
  [/:\/\/[^/\s:@]{0,256}:[^/\s@]{1,1024}@/g, `://${REDACTED}@`],
  [/\b(sk|pk|rk)-[A-Za-z0-9_-]{16,}/g, REDACTED],
  [/\b(gh[pousr]|github_pat|glpat|xox[a-z])[_-][A-Za-z0-9_-]{10,}/g, REDACTED],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, REDACTED],
  [
    /((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|credentials?|cookie)["']?\s{0,4}[:=]\s{0,4}["']?)[^\s"',;&)}\]]+/gi,
    `$1${REDACTED}`,
  ],
]

/** Nothing here, nothing to redact: spares ordinary text nine searches. */
const SUSPICIOUS =
  /bearer|basic|digest|negotiate|tgk_|eyJ|:\/\/[^/\s]*@|[spr]k-|gh[pousr]_|github_pat|glpat|xox|A[KS]IA|PRIVATE|pass|pwd|secret|token|key|authorization|credential|cookie/i

const SECRET_NAME =
  /(?:^|[._-]|[a-z](?=[A-Z]))(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|credentials?|cookie|set-cookie)$/i

/** The text without anything that looks like a credential. */
export function redact(text: string): string {
  if (!SUSPICIOUS.test(text)) return text
  let clean = text
  for (const [pattern, replacement] of SECRETS) clean = clean.replace(pattern, replacement)
  return clean
}

/** Whether a field's name says that its value is a credential, whatever it looks like. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name)
}
