/** Letters a token may be made of, as a table over ASCII. */
export type Alphabet = Uint8Array

/** A credential that begins with words of its own: `min` to `max` letters of an alphabet follow them. */
export interface SecretFormat {
  readonly prefix: string
  readonly label: string
  readonly alphabet: Alphabet
  readonly min: number
  readonly max: number
}

const DIGITS = '0123456789'
const LOWER = 'abcdefghijklmnopqrstuvwxyz'
const UPPER = LOWER.toUpperCase()

/** Makes an alphabet of the letters of a text. */
export function alphabetOf(letters: string): Alphabet {
  const table = new Uint8Array(128)
  for (const letter of letters) table[letter.charCodeAt(0)] = 1
  return table
}

export const ALPHANUMERIC: Alphabet = alphabetOf(DIGITS + LOWER + UPPER)
export const URL_SAFE: Alphabet = alphabetOf(`${DIGITS}${LOWER}${UPPER}_-`)
export const BASE64: Alphabet = alphabetOf(`${DIGITS}${LOWER}${UPPER}+/=`)
const WORD = alphabetOf(`${DIGITS}${LOWER}${UPPER}_`)
const HEX = alphabetOf(`${DIGITS}abcdefABCDEF`)
const BASE32 = alphabetOf(`${UPPER}234567`)
const UPPERCASE = alphabetOf(DIGITS + UPPER)
const DOTTED = alphabetOf(`${DIGITS}${LOWER}${UPPER}_-.`)

type Row = readonly [label: string, prefixes: string, alphabet: Alphabet, min: number, max?: number]

/** Lengths are those the issuers document or their keys show; no `max`: as many as there are. */
const ROWS: readonly Row[] = [
  ['tollgate key', 'tgk_', WORD, 50, 80],
  ['openai key', 'sk-proj- sk-svcacct- sk-admin- sk-None-', URL_SAFE, 40],
  ['anthropic key', 'sk-ant-', URL_SAFE, 40],
  ['openrouter key', 'sk-or-v1-', HEX, 64, 64],
  ['langsmith key', 'lsv2_pt_ lsv2_sk_', WORD, 32, 64],
  ['api key', 'sk-', ALPHANUMERIC, 32, 64],
  ['google key', 'AIza', URL_SAFE, 35, 35],
  ['google oauth secret', 'GOCSPX-', URL_SAFE, 28, 28],
  ['google access token', 'ya29.', URL_SAFE, 40],
  ['groq key', 'gsk_', ALPHANUMERIC, 48, 56],
  ['xai key', 'xai-', ALPHANUMERIC, 70, 90],
  ['hugging face token', 'hf_ api_org_', ALPHANUMERIC, 34, 40],
  ['replicate token', 'r8_', ALPHANUMERIC, 37, 40],
  ['perplexity key', 'pplx-', ALPHANUMERIC, 48, 64],
  ['nvidia key', 'nvapi-', URL_SAFE, 60, 80],
  ['fireworks key', 'fw_', ALPHANUMERIC, 22, 24],
  ['tavily key', 'tvly-', URL_SAFE, 30, 60],
  ['aws access key', 'AKIA ASIA ABIA ACCA', BASE32, 16, 16],
  ['bedrock key', 'ABSK', BASE64, 100, 200],
  ['github token', 'ghp_ gho_ ghu_ ghs_ ghr_', ALPHANUMERIC, 36, 255],
  ['github token', 'github_pat_', WORD, 60, 255],
  ['gitlab token', 'glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glimt- glagent- gloas-', URL_SAFE, 20, 300],
  ['slack token', 'xoxb- xoxp- xoxa- xoxr- xoxs- xoxc- xoxd- xoxo- xoxe- xapp-', URL_SAFE, 24],
  ['slack token', 'xoxe.xoxp- xoxe.xoxb-', URL_SAFE, 40],
  ['stripe key', 'sk_live_ sk_test_ rk_live_ rk_test_ sk_prod_ rk_prod_', ALPHANUMERIC, 16, 255],
  ['stripe webhook secret', 'whsec_', BASE64, 32, 64],
  ['npm token', 'npm_', ALPHANUMERIC, 36, 36],
  ['pypi token', 'pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZ', URL_SAFE, 50],
  ['sendgrid key', 'SG.', DOTTED, 60, 70],
  ['digitalocean token', 'dop_v1_ doo_v1_ dor_v1_', HEX, 64, 64],
  ['shopify token', 'shpat_ shpca_ shppa_ shpss_', HEX, 32, 32],
  ['vault token', 'hvs. hvb. hvr.', URL_SAFE, 24],
  ['databricks token', 'dapi', HEX, 32, 34],
  ['linear key', 'lin_api_ lin_oauth_', ALPHANUMERIC, 40, 64],
  ['notion token', 'ntn_', ALPHANUMERIC, 40, 60],
  ['atlassian token', 'ATATT3 ATCTT3', alphabetOf(`${DIGITS}${LOWER}${UPPER}_-=`), 100],
  ['doppler token', 'dp.pt. dp.st. dp.sa. dp.ct.', DOTTED, 40, 100],
  ['planetscale token', 'pscale_tkn_ pscale_pw_ pscale_oauth_', URL_SAFE, 32, 64],
  ['postman key', 'PMAK-', URL_SAFE, 59, 59],
  ['grafana token', 'glsa_ glc_', BASE64, 32, 400],
  ['new relic key', 'NRAK- NRJS- NRII-', URL_SAFE, 19, 40],
  ['sentry token', 'sntrys_ sntryu_', alphabetOf(`${DIGITS}${LOWER}${UPPER}+/=_`), 60, 400],
  ['age key', 'AGE-SECRET-KEY-1', UPPERCASE, 58, 58],
  ['figma token', 'figd_', URL_SAFE, 38, 50],
  ['pulumi token', 'pul-', HEX, 40, 40],
  ['heroku key', 'HRKU-', URL_SAFE, 36, 64],
  ['dynatrace token', 'dt0c01. dt0s01.', DOTTED, 80, 96],
  ['prefect key', 'pnu_ pnb_', ALPHANUMERIC, 36, 40],
  ['readme key', 'rdme_', ALPHANUMERIC, 64, 72],
  ['airtable token', 'pat', DOTTED, 79, 79],
  ['1password token', 'ops_eyJ', BASE64, 200],
  ['twilio key', 'SK', HEX, 32, 32],
  ['scalingo token', 'tk-us-', URL_SAFE, 48, 48],
  ['supabase key', 'sb_secret_ sbp_', WORD, 28, 64],
]

/** Well-known formats, longer prefixes first where one begins another. */
export const SECRET_FORMATS: readonly SecretFormat[] = ROWS.flatMap(([label, prefixes, alphabet, min, max]) =>
  prefixes.split(' ').map((prefix) => ({ prefix, label, alphabet, min, max: max ?? Infinity })),
).toSorted((a, b) => b.prefix.length - a.prefix.length)
