import type { Problem } from '../errors/index.ts'

// NAMEDATALEN − 1: PostgreSQL cuts what is longer, without a word.
const MAX_BYTES = 63

/** What is wrong with the name of a table or schema. */
export function nameProblems(path: string, name: unknown): Problem[] {
  const fits =
    typeof name === 'string' &&
    name.length > 0 &&
    name.isWellFormed() &&
    !name.includes('\0') &&
    Buffer.byteLength(name) <= MAX_BYTES
  return fits ? [] : [{ path, message: `a name of 1 to ${MAX_BYTES} bytes is needed` }]
}

/** A name as SQL takes it, whatever characters it has. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Text as SQL takes it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name for something that belongs to a table, cut so that its ending stays. */
export function nameWithin(table: string, ending: string): string {
  const room = MAX_BYTES - Buffer.byteLength(ending)
  const start = new TextDecoder().decode(Buffer.from(table).subarray(0, room), { stream: true }) // no half character
  return `${start}${ending}`
}
