/** The rows of an answer: clients answer with rows, or with an object that has them. */
export function rowsOf(answer: unknown): readonly unknown[] {
  if (Array.isArray(answer)) return answer
  return (answer as { readonly rows: readonly unknown[] }).rows
}
