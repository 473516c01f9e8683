import { AsyncLocalStorage } from 'node:async_hooks'

/** The work of a transaction, and what it is called within. */
interface Running {
  readonly of: object
  isOver: boolean
  readonly outer: Running | undefined
}

// One for the whole process, and off while no transaction is under way: Node 20 has each promise that is made anywhere go through all storages that
// are on, and one that was on is not forgotten with its owner.
const running = new AsyncLocalStorage<Running>()
let underWay = 0

/** Runs the work of a transaction of `of`; {@link isWithin} knows of it, within the work, until it has ended. */
export async function within<T>(of: object, work: () => Promise<T>): Promise<T> {
  const own: Running = { of, isOver: false, outer: running.getStore() }
  underWay++
  try {
    return await running.run(own, work)
  } finally {
    own.isOver = true
    if (--underWay === 0) running.disable()
  }
}

/** Is this called by the work of a transaction of `of` that has not ended? */
export function isWithin(of: object): boolean {
  for (let each = running.getStore(); each !== undefined; each = each.outer)
    if (each.of === of && !each.isOver) return true
  return false
}
