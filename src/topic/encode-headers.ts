import type { Problem } from '../errors/index.ts'
import type { Header } from '../record/index.ts'
import { RESERVED_PREFIX } from '../record/index.ts'

/**
 * Appends a user's headers to a list, in their order, and reports what is wrong with them. Checked before any driver sees them:
 * some drivers write the record and then reject the header.
 */
export function appendHeaders(given: unknown, nullValues: boolean, into: Header[], problems: Problem[]): void {
  if (typeof given !== 'object' || given === null) {
    problems.push({ path: HEADERS, message: 'must be a list of [name, value] or an object' })
    return
  }
  const isList = Array.isArray(given)
  const entries: readonly unknown[] = isList ? given : Object.entries(given)
  for (const [i, entry] of entries.entries()) {
    if (!Array.isArray(entry) || entry.length !== 2) {
      problems.push({ path: `${HEADERS}[${i}]`, message: 'must be [name, value]' })
      continue
    }
    const [name, value] = entry as readonly unknown[]
    const wrong = nameProblem(name) ?? valueProblem(value, nullValues)
    if (wrong !== undefined) problems.push({ path: `${HEADERS}[${i}]`, message: wrong })
    else into.push([name as string, bytesOf(value as string | Uint8Array | null)])
  }
}

function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'has a name that is not text'
  if (!name.isWellFormed()) return 'has a name with a lone surrogate, which has no UTF-8'
  if (name.toLowerCase().startsWith(RESERVED_PREFIX))
    return `has a name that begins with "${RESERVED_PREFIX}", which is reserved`
  return undefined
}

function valueProblem(value: unknown, nullValues: boolean): string | undefined {
  if (typeof value === 'string')
    return value.isWellFormed() ? undefined : 'has text with a lone surrogate, which has no UTF-8'
  if (value instanceof Uint8Array) return undefined
  if (value === null) return nullValues ? undefined : 'is null, which the driver cannot send'
  return `has a value that is ${value === undefined ? 'undefined' : `a ${typeof value}`}; give text or a Uint8Array`
}

function bytesOf(value: string | Uint8Array | null): Uint8Array | null {
  if (value === null) return null
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value)
}

const HEADERS = '(headers)'
