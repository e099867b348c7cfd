/** Source text access of ECMAScript 2026, present in Node 24 and not yet in the type library. */
interface JSON {
  rawJSON(text: string): { readonly rawJSON: string }
  isRawJSON(value: unknown): value is { readonly rawJSON: string }
}
