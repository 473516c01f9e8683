import type { Problem } from '../errors/index.ts'

/**
 * The bytes of a key, or what is wrong with it. A key is not empty, and its text is well-formed: two texts with a lone surrogate
 * would become the same bytes, and so the same key. Bytes are copied: the caller may use its array again.
 */
export function encodeKey(key: unknown): Uint8Array | Problem {
  if (typeof key === 'string') {
    if (key === '') return problem('is empty')
    if (!key.isWellFormed()) return problem('is text with a lone surrogate, which has no UTF-8')
    return Buffer.from(key, 'utf8')
  }
  if (!(key instanceof Uint8Array)) return problem(`is ${kindOf(key)}; a key is text or a Uint8Array`)
  return key.length === 0 ? problem('is empty') : Buffer.from(key)
}

function problem(message: string): Problem {
  return { path: KEY, message }
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'missing'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

const KEY = '(key)'
