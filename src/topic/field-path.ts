/** The path of the value itself. */
export const WHOLE_VALUE = '(value)'

/**
 * A place in a value, for people: `items[0].sku`. Names that are no identifiers come from the data rather than from a schema, a card
 * number as the key of a record say: they are shown as `["?"]`. The path is bounded.
 */
export function formatFieldPath(path: ReadonlyArray<PropertyKey>): string {
  if (path.length === 0) return WHOLE_VALUE
  const shown = path.slice(0, MAX_SEGMENTS).map(segment).join('')
  return `${shown.replace(/^\./, '')}${path.length > MAX_SEGMENTS ? '…' : ''}`
}

function segment(key: PropertyKey): string {
  if (typeof key === 'number') return Number.isInteger(key) && key >= 0 && key <= MAX_INDEX ? `[${key}]` : UNSHOWN
  if (typeof key === 'symbol') return '[symbol]'
  return key.length <= MAX_NAME && /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : UNSHOWN
}

const UNSHOWN = '["?"]'
const MAX_SEGMENTS = 32
const MAX_NAME = 64
const MAX_INDEX = 2 ** 32 - 2 // of an array; a larger number is no index
