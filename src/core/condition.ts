/** Values a condition may look at. `args` and `request` are absent while listing: whatever depends on them is then unknown. */
export interface ConditionContext {
  readonly principal: unknown
  readonly tool?: unknown
  readonly args?: unknown
  /** A model request: `model`, `dialect`, `stream`, `maxTokens`, `inputTokens` (by local count), `tools` (names), `images`, `reasoning`. */
  readonly request?: unknown
  readonly time: Date
}

/** What a condition said. `unknown` only when `args` or `request` was absent and the answer depends on it; `error` is treated as false. */
export type ConditionOutcome =
  | { readonly kind: 'true' }
  | { readonly kind: 'false' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'error'; readonly message: string }

/** A compiled CEL expression of a catalog, an audience or a claim mapping (https://cel.dev). */
export interface Condition {
  readonly source: string
  evaluate(context: ConditionContext): ConditionOutcome
}
