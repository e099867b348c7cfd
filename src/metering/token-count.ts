/** Counts tokens. */
export interface TokenCounter {
  count(text: string): Promise<number>
  close(): void
}

/** Makes a counter. */
export function createTokenCounter(): TokenCounter {
  return { count: async (text) => Math.ceil(Buffer.byteLength(text) / 4), close: () => undefined }
}
