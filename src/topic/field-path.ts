/** The path of the value itself. */
export const WHOLE_VALUE = '(value)'

/**
 * A place in a value, for people: `items[0].sku`. Names that are no identifiers are quoted and cut, and the path is bounded, since
 * the names may come from outside.
 */
export function formatFieldPath(path: ReadonlyArray<PropertyKey>): string {
  if (path.length === 0) return WHOLE_VALUE
  const shown = path.slice(0, MAX_SEGMENTS).map(segment).join('')
  return `${shown.replace(/^\./, '')}${path.length > MAX_SEGMENTS ? '…' : ''}`
}

function segment(key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`
  if (typeof key === 'symbol') return '[symbol]'
  if (/^[A-Za-z_$][\w$]*$/.test(key) && key.length <= MAX_NAME) return `.${key}`
  return `[${JSON.stringify(key.length <= MAX_NAME ? key : `${key.slice(0, MAX_NAME - 1)}…`)}]`
}

const MAX_SEGMENTS = 32
const MAX_NAME = 64
