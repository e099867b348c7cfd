/** What a model takes, as far as its name tells. */
export interface MessagesModel {
  /** `budget`: thinking with a budget of tokens. `adaptive`: the model decides, guided by an effort. */
  readonly thinking: 'none' | 'budget' | 'adaptive'
  /** It knows `output_config.effort`. */
  readonly effort: boolean
  /** It knows the effort `xhigh`. */
  readonly xhigh: boolean
  /** It takes `temperature`, `top_p` and `top_k`; `one`: not temperature and top_p together. */
  readonly sampling: 'all' | 'one' | 'none'
  /** It takes a JSON schema for the answer and strict tools. */
  readonly schema: boolean
}

const OLD_NAME = /claude-(\d)(?:[-.](\d))?-[a-z]/
const NAME = /claude-([a-z]+)-(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?/

/** Another vendor behind this wire: nothing is known, so what is common is sent. */
const OTHER: MessagesModel = { thinking: 'budget', effort: false, xhigh: false, sampling: 'all', schema: true }
const NEWEST = 99

/** Reads a model id of the Anthropic API, of Bedrock (`eu.anthropic.claude-...-v1:0`) or of Vertex (`claude-...@20250929`). */
export function messagesModel(name: string): MessagesModel {
  if (!name.includes('claude')) return OTHER
  const version = versionOf(name)
  const isOpus = name.includes('opus')
  return {
    thinking: version < 3.7 ? 'none' : version < 4.6 ? 'budget' : 'adaptive',
    effort: version >= 4.6 || (isOpus && version >= 4.5),
    xhigh: version >= 4.7,
    sampling: version >= 4.7 ? 'none' : version >= 4.1 ? 'one' : 'all',
    schema: version >= 4.5 || (isOpus && version >= 4.1),
  }
}

function versionOf(name: string): number {
  const old = OLD_NAME.exec(name)
  if (old) return Number(`${old[1]}.${old[2] ?? 0}`)
  const [, , major, minor] = NAME.exec(name) ?? []
  return major === undefined ? NEWEST : Number(major) + Number(minor ?? 0) / 10
}
