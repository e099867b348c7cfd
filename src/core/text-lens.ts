/** One piece of text inside a request or an answer that evaluators may read and replace. */
export interface TextPart {
  /** Where it stands, for instance `arguments.query` or `content[0].text`. */
  readonly path: string
  readonly text: string
}

/** A view of the words of a message that knows nothing of its protocol: a facet makes it, an evaluator reads it. */
export interface TextLens {
  readonly parts: readonly TextPart[]
  /** Returns nothing; the facet's own object is changed so that the part at `path` now reads `text`. */
  replace(path: string, text: string): void
}
