import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import { textOf } from '../record/index.ts'
import type { Codec } from './codec.ts'
import { CodecError } from './codec.ts'
import { isDeeperThan } from './json-depth.ts'
import { findUnsayable, looksInexact } from './json-exactness.ts'

/** Bounds of {@link json}. */
export interface JsonOptions {
  /**
   * How deep arrays and objects may be nested, both ways; deeper values are refused before any validator sees them. An integer of
   * 1 to 1,000.
   *
   * @defaultValue `64`
   */
  readonly maxDepth?: number
}

/**
 * JSON in strict UTF-8, both ways exact or refused.
 *
 * Refused in what arrives: bytes that are no UTF-8, a byte order mark, nesting past the limit. Refused in what is sent: `undefined`
 * or a function as the whole value or in an array, BigInt, NaN and infinities, invalid dates, cycles, a Map, Set, Error or other
 * thing that `JSON.stringify` would write as `{}`, binary data that has no `toJSON` of its own, and what throws while it is read.
 * Not every one is found: a Map or an Error that was given fields of its own can pass as those fields alone. Fields of an object that
 * are `undefined`, a function or a symbol are left out. As everywhere in JavaScript, numbers past 2^53 lose digits when they arrive,
 * of two equal names the last one counts, and `__proto__` is a name like others.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function json(options: JsonOptions = {}): Codec {
  const maxDepth = options.maxDepth ?? 64
  const problems: Problem[] = Object.keys(options)
    .filter((name) => name !== 'maxDepth')
    .map((path) => ({ path, message: 'is not an option' }))
  if (!Number.isInteger(maxDepth) || maxDepth < 1 || maxDepth > 1_000)
    problems.push({ path: 'maxDepth', message: 'must be an integer of 1 to 1000' })
  if (problems.length > 0) throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'json() cannot be made', { problems })
  return Object.freeze({
    contentType: 'application/json',
    encode: (value: unknown) => encode(value, maxDepth),
    decode: (bytes: Uint8Array) => decode(bytes, maxDepth),
  })
}

function encode(value: unknown, maxDepth: number): Uint8Array {
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined
  } catch {
    // Its own message can hold names and values: the walk says where it is and what kind of thing.
    throw unsayable(value, maxDepth) ?? new CodecError('cannot be written as JSON')
  }
  if (text === undefined) throw unsayable(value, maxDepth) ?? new CodecError('is not a JSON value')
  if (looksInexact(text)) {
    const error = unsayable(value, maxDepth)
    if (error !== undefined) throw error
  }
  const bytes = Buffer.from(text, 'utf8')
  if (isDeeperThan(maxDepth, text)) throw unsayable(value, maxDepth) ?? new CodecError(tooDeep(maxDepth))
  return bytes
}

function unsayable(value: unknown, maxDepth: number): CodecError | undefined {
  const found = findUnsayable(value, maxDepth)
  return found === undefined ? undefined : new CodecError(found.reason, found.path)
}

function decode(bytes: Uint8Array, maxDepth: number): unknown {
  if (bytes.length === 0) throw new CodecError('is empty, which is not JSON')
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new CodecError(
      'begins with a byte order mark, which JSON between systems must not have (RFC 8259, section 8.1)',
    )
  }
  const text = textOf(bytes)
  if (text === undefined) throw new CodecError('is not UTF-8')
  if (isDeeperThan(maxDepth, text)) throw new CodecError(tooDeep(maxDepth))
  try {
    return JSON.parse(text)
  } catch (error) {
    // V8 quotes the payload in its message; only the position at its end is safe.
    const position = / at position (\d+)(?: \(line \d+ column \d+\))?$/.exec((error as Error).message)
    throw new CodecError(position === null ? 'is not JSON' : `is not JSON, from character ${position[1]} on`)
  }
}

const tooDeep = (maxDepth: number): string => `is nested deeper than ${maxDepth} levels`
