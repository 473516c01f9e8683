import type { Deferred } from '../deferred.ts'
import { deferred } from '../deferred.ts'
import { databaseError } from './database-error.ts'

/** How a lock is held: `exclusive` by one, `shared` by many at once. */
export type LockMode = 'exclusive' | 'shared'

/** Locks by name, held until they are let go; whoever waits gets them in the order in which they came. */
export interface AdvisoryLocks {
  /**
   * Takes a lock for an owner, or waits for it. What an owner has, it gets again at once.
   *
   * @param within - the savepoint that it is taken within, or the transaction itself
   * @throws code 40P01 at once for the wait that closes a circle; PostgreSQL would take a second to notice.
   */
  take(name: string, mode: LockMode, owner: object, within: object): Promise<void>
  /** Lets go of all that was taken within, in whichever order; ends its waits too. */
  letGo(within: object): void
  /** How many wait. */
  readonly waiting: number
}

interface Holding {
  readonly owner: object
  readonly within: object
  readonly mode: LockMode
}

interface Wait extends Holding {
  readonly granted: Deferred<void>
}

interface Lock {
  readonly holdings: Holding[]
  readonly waits: Wait[]
}

/** Makes {@link AdvisoryLocks}. */
export function createAdvisoryLocks(): AdvisoryLocks {
  const locks = new Map<string, Lock>()

  const inTheWay = (lock: Lock, { owner, mode }: Holding): object[] =>
    lock.holdings.filter((held) => held.owner !== owner && conflict(held.mode, mode)).map((held) => held.owner)

  /** Those whom a wait is for: holders, and those who came before with what does not go together. */
  const blockersOf = (lock: Lock, wait: Wait): object[] => {
    const ahead = lock.waits.slice(0, lock.waits.indexOf(wait))
    const before = ahead.filter((each) => each.owner !== wait.owner && conflict(each.mode, wait.mode))
    return [...inTheWay(lock, wait), ...before.map((each) => each.owner)]
  }

  const closesCircle = (owner: object): boolean => {
    const seen = new Set<object>()
    const reach = (from: object): boolean => {
      for (const lock of locks.values())
        for (const wait of lock.waits.filter((each) => each.owner === from))
          for (const blocker of blockersOf(lock, wait)) {
            if (blocker === owner) return true
            if (seen.has(blocker)) continue
            seen.add(blocker)
            if (reach(blocker)) return true
          }
      return false
    }
    return reach(owner)
  }

  /** Gives the lock to whoever may have it now. One that waits holds up all who came after it, if it cannot go with them. */
  const grant = (name: string, lock: Lock): void => {
    for (let i = 0; i < lock.waits.length;) {
      const wait = lock.waits[i]!
      if (blockersOf(lock, wait).length > 0) {
        i++
        continue
      }
      lock.waits.splice(i, 1)
      lock.holdings.push(wait)
      wait.granted.resolve()
    }
    if (lock.holdings.length === 0 && lock.waits.length === 0) locks.delete(name)
  }

  return {
    async take(name, mode, owner, within) {
      const lock = locks.get(name) ?? { holdings: [], waits: [] }
      locks.set(name, lock)
      const holds = lock.holdings.some(
        (held) => held.owner === owner && (held.mode === mode || held.mode === 'exclusive'),
      )
      if (holds) return
      const wait: Wait = { owner, within, mode, granted: deferred() }
      const isSharer = lock.holdings.some((held) => held.owner === owner)
      if (isSharer)
        lock.waits.unshift(wait) // it wants more of what it has: nobody before it could get past it
      else lock.waits.push(wait)
      grant(name, lock)
      if (lock.waits.includes(wait) && closesCircle(owner)) {
        lock.waits.splice(lock.waits.indexOf(wait), 1)
        grant(name, lock)
        throw databaseError('40P01', 'deadlock detected')
      }
      await wait.granted.promise
    },
    letGo(within) {
      for (const [name, lock] of locks) {
        remove(lock.holdings, (held) => held.within === within)
        for (const wait of remove(lock.waits, (each) => each.within === within))
          wait.granted.reject(databaseError('57P01', 'the connection was ended'))
        grant(name, lock)
      }
    },
    get waiting() {
      return [...locks.values()].reduce((sum, { waits }) => sum + waits.length, 0)
    },
  }
}

function conflict(one: LockMode, other: LockMode): boolean {
  return one === 'exclusive' || other === 'exclusive'
}

function remove<T>(from: T[], which: (each: T) => boolean): T[] {
  const gone = from.filter(which)
  if (gone.length > 0) from.splice(0, from.length, ...from.filter((each) => !which(each)))
  return gone
}
