/**
 * Is the JSON text nested deeper than `maxDepth`? `1` has no level, `[1]` one, `[{"a":1}]` two. Reads bytes, not values, so that
 * it can stand before the parser, and needs no stack: a hundred thousand brackets are as harmless as one. Answers for whatever
 * comes; bytes that are no JSON are the parser's to refuse.
 */
export function isDeeperThan(maxDepth: number, json: Uint8Array): boolean {
  const length = json.length
  if (length <= maxDepth) return false // each level takes at least a bracket
  let depth = 0
  let i = 0
  while (i < length) {
    const byte = json[i]!
    if (byte === QUOTE) {
      for (i++; i < length && json[i] !== QUOTE; i++) if (json[i] === BACKSLASH) i++
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > maxDepth) return true
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--
    i++
  }
  return false
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
