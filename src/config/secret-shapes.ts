/** Tells whether a header carries a secret, by its name. */
export function isSecretHeader(name: string): boolean {
  return /(^|[-_])(authorization|cookie|(api|access|subscription|auth|private|secret|functions)[-_]?key|token|secret|password|passwd|pat|credentials?)$/i.test(
    name,
  )
}

/** Tells whether a query parameter carries a secret, by its name. */
export function isSecretParameter(name: string): boolean {
  return /^(api[-_]?key|key|token|access[-_]?token|auth|secret|client[-_]?secret|password|passwd|pwd|sig|signature)$/i.test(name)
}

/** Tells whether an environment variable holds a secret, by its name. */
export function isSecretVariable(name: string): boolean {
  return /(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_KEY|ACCESS_KEY|SECRET_KEY|CREDENTIALS?|PAT)$/i.test(name)
}

/** Tells whether a text is a secret by its well-known beginning, or carries a password as a URL does. */
export function isSecretValue(value: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@${}]+@/i.test(value)) return true
  return /^(Bearer |Basic )?(sk-|ghp_|gho_|ghs_|github_pat_|glpat-|xox[abprs]-|AKIA[0-9A-Z]{12}|eyJ[A-Za-z0-9_-]{10,}\.|-----BEGIN )/.test(
    value,
  )
}

/** Tells whether a text may be a secret because nobody would remember it: long, without blanks, of letters and digits mixed. */
export function isOpaque(value: string): boolean {
  return /^[A-Za-z0-9_\-+=.]{20,}$/.test(value) && /\d/.test(value) && /[A-Za-z]/.test(value)
}
