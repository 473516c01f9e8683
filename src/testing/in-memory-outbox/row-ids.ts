/** A sequence: ids are drawn once, whatever becomes of the transaction, and never given back. */
export interface RowIds {
  /** The highest id that was handed out, to whichever session. */
  readonly last: bigint
  /** The next id of a session. */
  draw(session: object): bigint
}

/** Makes a sequence. @param cache - how many ids a session takes at once; more than 1 and they are no order any more (O3) */
export function createRowIds(cache: number): RowIds {
  const stocks = new WeakMap<object, bigint[]>()
  let last = 0n
  return {
    get last() {
      return last
    },
    draw(session) {
      const stock = stocks.get(session) ?? []
      stocks.set(session, stock)
      if (stock.length === 0) for (let i = 0; i < cache; i++) stock.push(++last)
      return stock.shift()!
    },
  }
}
