/**
 * Up to which id a sequence is on the disk. PostgreSQL draws without waiting for that, and a server that has crashed goes on from what is there: it may
 * draw ids again that it had drawn.
 */
export interface DurableIds {
  /**
   * Takes in a look.
   *
   * @param id - the last one that was drawn
   * @param logged - how far the log reached after that
   * @param flushed - how far it is on the disk now
   * @returns the last id that is there for certain; 0 when none is known to be.
   */
  seen(id: bigint, logged: bigint, flushed: bigint): bigint
}

/** Makes {@link DurableIds}. */
export function createDurableIds(): DurableIds {
  let durable = 0n
  /** An id that is there when the log is on the disk up to its place. One is enough: looks come often, and so do flushes. */
  let next: { readonly id: bigint; readonly logged: bigint } | null = null

  return {
    seen(id, logged, flushed) {
      if (next !== null && flushed >= next.logged) {
        durable = next.id
        next = null
      }
      if (flushed >= logged) durable = id
      else next ??= { id, logged }
      if (id < durable) durable = id // a crash before anything was on the disk, or a sequence that was set back by hand
      return durable
    },
  }
}
