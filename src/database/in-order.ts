/** A statement cut at its placeholders, with the value of each: for clients that number them themselves. */
export function inOrder(
  statement: string,
  values: readonly unknown[],
): { readonly parts: string[]; readonly values: unknown[] } {
  const pieces = statement.split(/\$(\d+)/)
  return {
    parts: pieces.filter((_, i) => i % 2 === 0),
    values: pieces.filter((_, i) => i % 2 === 1).map((number) => values[Number(number) - 1]),
  }
}
