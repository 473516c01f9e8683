import { types } from 'node:util'
import { describeForeignError } from '../errors/index.ts'

/** Something in a value that JSON cannot say, and where. */
export interface Unsayable {
  readonly path: readonly PropertyKey[]
  /** Names the kind of thing, never the thing. */
  readonly reason: string
}

/**
 * Does a JSON text look as if `JSON.stringify` had changed what it was given? It writes `null` for NaN and what has no JSON in an
 * array, `{}` for a Map, numbered fields for binary data, and a list of numbers for a Buffer. The text alone cannot tell these from
 * honest ones; then {@link findUnsayable} looks at the value. Ordinary texts pass without that second walk.
 */
export function looksInexact(text: string): boolean {
  return text.includes('null') || text.includes('{}') || text.includes('{"0":') || text.includes('{"type":"Buffer"')
}

/**
 * The first thing in a value that has no exact JSON; `undefined` when there is none. Left out, as `JSON.stringify` does, and no
 * error: fields of an object that are `undefined`, a function or a symbol.
 *
 * @param maxDepth - also the bound of this function's own recursion.
 */
export function findUnsayable(value: unknown, maxDepth: number): Unsayable | undefined {
  const path: PropertyKey[] = []
  const ancestors: object[] = []
  const reason = visit(value)
  return reason === undefined ? undefined : { path, reason }

  // On a find the path is left as it stands: it is the answer.
  function visit(given: unknown, inArray: boolean = true): string | undefined {
    let here = given
    if ((typeof given === 'object' && given !== null) || typeof given === 'bigint') {
      try {
        const { toJSON } = given as { readonly toJSON?: unknown }
        if (toJSON === Buffer.prototype.toJSON) return BINARY // not one's own: it writes each byte as a number
        if (typeof toJSON === 'function') here = Reflect.apply(toJSON, given, [String(path.at(-1) ?? '')])
      } catch (error) {
        return `its toJSON throws ${describeForeignError(error)}`
      }
      if (here === null && types.isDate(given)) return 'is an invalid date'
    }
    if (types.isNumberObject(here)) here = Number(here)
    switch (typeof here) {
      case 'number':
        return Number.isFinite(here) ? undefined : 'is NaN or an infinity, which JSON does not have'
      case 'bigint':
        return 'is a BigInt, which JSON does not have'
      case 'undefined':
      case 'function':
      case 'symbol':
        return inArray
          ? `is ${here === undefined ? 'undefined' : `a ${typeof here}`}, which JSON does not have`
          : undefined
      case 'object':
        return here === null ? undefined : visitObject(here)
      case 'string':
      case 'boolean':
        return undefined
    }
  }

  function visitObject(object: object): string | undefined {
    if (ancestors.includes(object)) return 'is part of a cycle'
    if (ancestors.length >= maxDepth) return `is nested deeper than ${maxDepth} levels`
    if (ArrayBuffer.isView(object)) return BINARY
    const kind = Object.prototype.toString.call(object).slice(8, -1)
    if (LOST.has(kind)) return `is a ${kind}, whose contents JSON.stringify would lose`
    ancestors.push(object)
    const isArray = Array.isArray(object)
    const keys = isArray ? object.keys() : Object.keys(object)
    for (const key of keys) {
      path.push(key)
      let child: unknown
      try {
        child = (object as Record<PropertyKey, unknown>)[key]
      } catch (error) {
        return `cannot be read: ${describeForeignError(error)}`
      }
      const reason = visit(child, isArray)
      if (reason !== undefined) return reason
      path.pop()
    }
    ancestors.pop()
    return undefined
  }
}

const BINARY = 'is binary data; the bytes codec sends that, or encode it as text'
const LOST: ReadonlySet<string> = new Set(
  'Map Set WeakMap WeakSet WeakRef Promise RegExp Error ArrayBuffer SharedArrayBuffer DataView'.split(' '),
)
