/** An ordinary JSON object of about so many bytes. */
export function honestJson(bytes: number): Buffer {
  const items: unknown[] = []
  for (let size = 12; size < bytes; size += 58)
    items.push({ id: items.length, name: 'an ordinary name', tags: ['a', 'b'], ok: true })
  return Buffer.from(JSON.stringify({ items }))
}
