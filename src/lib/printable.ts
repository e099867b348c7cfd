/** Text from outside for a terminal: nothing in it may move the cursor or hide what stands beside it. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}|\p{Cf}|\u2028|\u2029/gu, '\uFFFD')
}
