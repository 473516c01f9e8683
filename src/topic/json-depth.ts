/**
 * Is the JSON text nested deeper than `maxDepth`? `1` has no level, `[1]` one, `[{"a":1}]` two. Reads text, not values, so that
 * it can stand before the parser, and needs no stack: a hundred thousand brackets are as harmless as one. Answers for whatever
 * comes; text that is no JSON are the parser's to refuse.
 */
export function isDeeperThan(maxDepth: number, json: string): boolean {
  const { length } = json
  if (!hasMoreBrackets(maxDepth, json)) return false // each level takes at least one
  let depth = 0
  let i = 0
  while (i < length) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) {
      for (i++; i < length && json.charCodeAt(i) !== QUOTE; i++) if (json.charCodeAt(i) === BACKSLASH) i++
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > maxDepth) return true
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
    i++
  }
  return false
}

/** Most values have few: found at the speed of the machine, and the walk is spared. */
function hasMoreBrackets(count: number, json: string): boolean {
  let left = count
  for (const bracket of ['{', '[']) {
    for (let at = json.indexOf(bracket); at !== -1; at = json.indexOf(bracket, at + 1)) if (--left < 0) return true
  }
  return false
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
