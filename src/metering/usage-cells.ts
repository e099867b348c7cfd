// What usage is written with: cells that are safe on a terminal, exact dollars, aligned columns.
const MAX_CELL = 48

/** Integer nano-dollars as exact decimal dollars. */
export function toUsd(nano: number | string): string {
  const value = BigInt(nano)
  const digits = (value < 0n ? -value : value).toString().padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`
}

/** Milliseconds with at most two decimals. */
export function toMilliseconds(value: number): string {
  return String(Math.round(value * 100) / 100)
}

/** A name for a table: short, printable, `-` when there is none. */
export function toTableCell(text: string | null | undefined): string {
  if (text === null || text === undefined) return '-'
  const letters = Array.from(withoutControls(text))
  return letters.length > MAX_CELL ? `${letters.slice(0, MAX_CELL - 1).join('')}…` : letters.join('')
}

/** Text without what moves a cursor, breaks a line or turns the reading direction: names come from callers. */
export function withoutControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\uFFFD')
}

/** Lines in columns: the first `left` of them flush left, the others flush right. */
export function alignTable(lines: readonly (readonly string[])[], left: number): string {
  const widths: number[] = []
  for (const line of lines)
    for (const [place, cell] of line.entries()) widths[place] = Math.max(widths[place] ?? 0, widthOf(cell))
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, place) => {
        const blanks = ' '.repeat((widths[place] ?? 0) - widthOf(cell))
        return place < left ? cell + blanks : blanks + cell
      })
      .join('  ')
      .trimEnd()
  return lines.map((cells) => `${toLine(cells)}\n`).join('')
}

function widthOf(cell: string): number {
  return Array.from(cell).length
}
