/** A statement cut at its placeholders, with the value of each: for clients that number them themselves. */
export function inOrder(
  statement: string,
  values: readonly unknown[],
): { readonly parts: string[]; readonly values: unknown[] } {
  const parts = ['']
  const ordered: unknown[] = []
  for (const [piece, number] of statement.matchAll(PIECES)) {
    if (number === undefined) parts[parts.length - 1] += piece
    else {
      parts.push('')
      ordered.push(values[Number(number) - 1])
    }
  }
  return { parts, values: ordered }
}

/** A placeholder, or what is none: names and texts in their quotes, and all that is between. */
const PIECES = /\$(\d+)|"(?:[^"]|"")*"|'(?:[^']|'')*'|[^$"']+|[$"']/g
