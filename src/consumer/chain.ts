import type { Mutable } from './mutable.ts'

/** Something that is in one {@link Chain} at a time, which owns these. */
export interface Link<T> {
  earlier: T | null
  later: T | null
  chained: boolean
}

/**
 * What is under way, in the order in which it came. Every operation but going through it is O(1).
 *
 * For hundreds of thousands of short-lived objects a second, where a `Set` would keep them all alive: each table that V8 outgrows or shrinks points to its
 * successor, so one that has come into the old generation holds on to all that came later, until the next full collection.
 */
export interface Chain<T> extends Iterable<T> {
  add(item: T): void
  /** Does nothing to what is not in it. */
  delete(item: T): void
  clear(): void
  readonly first: T | null
  readonly size: number
}

/** Makes a {@link Chain} of nothing. */
export function createChain<T extends Link<T>>(): Chain<T> {
  let last: T | null = null

  const chain: Mutable<Chain<T>> = {
    first: null,
    size: 0,
    add(item) {
      if (item.chained) return
      item.chained = true
      item.earlier = last
      if (last === null) chain.first = item
      else last.later = item
      last = item
      chain.size++
    },
    delete(item) {
      if (!item.chained) return
      const { earlier, later } = item
      if (earlier === null) chain.first = later
      else earlier.later = later
      if (later === null) last = earlier
      else later.earlier = earlier
      item.earlier = item.later = null
      item.chained = false
      chain.size--
    },
    clear() {
      while (chain.first !== null) chain.delete(chain.first)
    },
    [Symbol.iterator]: () => from(chain.first),
  }
  return chain
}

function* from<T extends Link<T>>(first: T | null): Generator<T, void> {
  for (let item = first; item !== null;) {
    const { later }: Link<T> = item // it may leave while it is looked at
    yield item
    item = later
  }
}
