import type { Clock, Timer } from '../clock/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { HeldLock } from './distributed-lock.ts'

/** A lock that the server has given. */
export interface TakenLock {
  readonly token: bigint
  /** When the request that took it was sent, on the monotonic clock: the lease ends no sooner than its length after that. */
  readonly sentAt: number
  /** Makes the lease last its length from now. False: it is lost. A rejection says nothing: it is tried again while there is time. */
  renew(): Promise<boolean>
  /** Frees it. What has passed to somebody else stays as it is. */
  giveBack(): Promise<void>
  /** It is lost, or the server is silent: lets go of what is held open for it. */
  drop(): void
  /** Calls when it is known to be lost, as by a connection that broke. */
  onLost?(listener: (cause: unknown) => void): void
}

// A renewal that was sent at a third has until three quarters to be confirmed; the last quarter is the holder's, to stop in.
const RENEW_AFTER = 1 / 3
const TRY_AGAIN_AFTER = 1 / 12
const LOST_AFTER = 3 / 4

/** Renews a lock while it is held, and says when it is lost: before its lease can end on the server, as long as this process runs. */
export function holdLock(taken: TakenLock, leaseMs: number, clock: Clock): HeldLock {
  const lost = new AbortController()
  let state: 'held' | 'released' | 'lost' = 'held'
  let confirmedAt = taken.sentAt
  let renewal: Timer | null = null
  let ending: Timer | null = null
  let release: Promise<void> | null = null

  const leftMs = (): number => confirmedAt + leaseMs * LOST_AFTER - clock.monotonic()
  const stop = (next: 'released' | 'lost'): void => {
    state = next
    renewal?.cancel()
    ending?.cancel()
  }
  const lose = (message: string, cause?: unknown): void => {
    if (state !== 'held') return
    stop('lost')
    taken.drop()
    lost.abort(new HoldfastError('HOLDFAST_LOCK_LOST', message, { cause }))
  }
  const watch = (): void => {
    ending?.cancel()
    ending = clock.after(Math.max(0, leftMs()), () => lose('the lock could not be renewed in time'))
  }
  const renewIn = (ms: number): void => {
    renewal = clock.after(Math.max(0, ms), () => void renew())
  }
  const renew = async (): Promise<void> => {
    // A process that stood still finds all of its timers due: it has no right to renew what may be another's by now.
    if (leftMs() <= 0) return lose('this process stood still for too long to know that it still had the lock')
    const sentAt = clock.monotonic()
    let isOurs: boolean
    try {
      isOurs = await taken.renew()
    } catch {
      if (state === 'held') renewIn(leaseMs * TRY_AGAIN_AFTER)
      return
    }
    if (state !== 'held') return
    if (!isOurs) return lose('the lock has passed to somebody else')
    confirmedAt = sentAt
    watch()
    renewIn(sentAt + leaseMs * RENEW_AFTER - clock.monotonic())
  }

  const giveBack = async (): Promise<void> => {
    const patience = new AbortController()
    const given = taken.giveBack()
    const silence = clock.sleep(Math.max(0, leftMs()), patience.signal).then(() => taken.drop())
    try {
      await Promise.race([given, silence])
    } catch {
      taken.drop() // it runs out by itself
    } finally {
      given.catch(ignore)
      silence.catch(ignore)
      patience.abort()
    }
  }

  watch()
  renewIn(confirmedAt + leaseMs * RENEW_AFTER - clock.monotonic())
  taken.onLost?.((cause) => lose('the connection that held the lock has ended', cause))

  const held: HeldLock = {
    kind: 'acquired',
    token: taken.token,
    signal: lost.signal,
    release() {
      if (state === 'held') {
        stop('released')
        release = giveBack()
      }
      return release ?? Promise.resolve()
    },
    [Symbol.asyncDispose]: () => held.release(),
  }
  return held
}

function ignore(): void {}
