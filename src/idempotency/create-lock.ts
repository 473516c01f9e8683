import type { Runtime } from '../clock/index.ts'
import { MAX_TIMER_MS } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import { unknownOptions } from '../options/index.ts'
import type { AcquireOptions, DistributedLock, HeldLock } from './distributed-lock.ts'
import { holdLock } from './held-lock.ts'
import type { TakenLock } from './held-lock.ts'
import { storeRefusals } from './store-refusals.ts'

/** What a {@link DistributedLock} needs of the server that knows who has it. */
export interface LockServer {
  /** What errors call it. */
  readonly name: string
  /** Tries once. Null: somebody else has it. Rejects with what the client rejects with, or with a HoldfastError. */
  take(name: string, leaseMs: number): Promise<TakenLock | null>
  check(): Promise<void>
}

/** Between two looks at a lock that is taken: 20 ms, doubling, at most 500, each drawn from half of that to all of it. */
const LOOK = { firstMs: 20, mostMs: 500 } as const
const LEAST_LEASE_MS = 100
const LEASE_MS = 30_000

/** Makes a {@link DistributedLock} of a server that can be asked once. */
export function createLock(server: LockServer, runtime: Pick<Runtime, 'clock' | 'random'>): DistributedLock {
  const { clock } = runtime

  /** A server that says nothing for a whole lease has nothing to give any more. */
  const takeOnce = async (name: string, leaseMs: number, signal?: AbortSignal): Promise<TakenLock | null> => {
    const patience = new AbortController()
    const end = (): void => patience.abort(signal?.reason)
    signal?.addEventListener('abort', end)
    const taking = server.take(name, leaseMs)
    const silence = clock.sleep(leaseMs, patience.signal).then(() => {
      throw new Error(`no answer within ${leaseMs} ms`)
    })
    try {
      return await Promise.race([taking, silence])
    } catch (error) {
      taking.then(
        (late) => late?.giveBack().catch(ignore),
        () => {}, // it was told already, or nobody waits for it any more
      )
      throw error
    } finally {
      signal?.removeEventListener('abort', end)
      silence.catch(ignore)
      patience.abort()
    }
  }

  const acquire: DistributedLock['acquire'] = async (name, options = {}) => {
    refuseUnfit(server.name, name, options)
    const { leaseMs = LEASE_MS, waitMs, signal } = options
    const until = clock.monotonic() + (waitMs ?? 0)
    try {
      for (let looks = 0; ; looks++) {
        signal?.throwIfAborted()
        const taken = await takeOnce(name, leaseMs, signal)
        if (taken !== null) return holdLock(taken, leaseMs, clock)
        if (waitMs === undefined) return { kind: 'busy' }
        const leftMs = until - clock.monotonic()
        if (leftMs <= 0) throw timeIsUp(waitMs)
        const lookMs = Math.min(LOOK.mostMs, LOOK.firstMs * 2 ** Math.min(looks, 10))
        await clock.sleep(Math.min(leftMs, lookMs * (0.5 + runtime.random() / 2)), signal)
      }
    } catch (error) {
      if (signal?.aborted) throw ended(signal)
      throw HoldfastError.is(error) ? error : storeRefusals.unavailable(server.name, error)
    }
  }

  return {
    acquire,
    async withLock(name, work, options) {
      const held = await acquire(name, options)
      if (held.kind === 'busy') return held
      try {
        const value = await work(held)
        refuseLost(held)
        return { kind: 'done', value }
      } finally {
        await held.release()
      }
    },
    async check() {
      try {
        await server.check()
      } catch (error) {
        throw HoldfastError.is(error) ? error : storeRefusals.unavailable(server.name, error)
      }
    },
  }
}

function refuseLost({ signal }: HeldLock): void {
  if (signal.aborted) throw signal.reason
}

/** @throws HOLDFAST_CONFIG_INVALID */
function refuseUnfit(server: string, name: unknown, options: AcquireOptions): void {
  const { leaseMs = LEASE_MS, waitMs = 1, signal } = options
  const problems: Problem[] = [
    ...(typeof name === 'string' ? [] : [{ path: 'name', message: 'a text is needed' }]),
    ...timeProblems('leaseMs', leaseMs, LEAST_LEASE_MS),
    ...timeProblems('waitMs', waitMs, 1),
    ...(signal === undefined || signal instanceof AbortSignal
      ? []
      : [{ path: 'signal', message: 'an AbortSignal is needed' }]),
    ...unknownOptions(options, ['leaseMs', 'waitMs', 'signal']),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions(server, problems)
}

function timeProblems(path: string, ms: number, least: number): Problem[] {
  const fits = Number.isSafeInteger(ms) && ms >= least && ms <= MAX_TIMER_MS
  return fits ? [] : [{ path, message: `an integer from ${least} to ${MAX_TIMER_MS} is needed` }]
}

function timeIsUp(waitMs: number): HoldfastError {
  return new HoldfastError('HOLDFAST_LOCK_TIMEOUT', `the lock was still taken after ${waitMs} ms`, { retriable: true })
}

function ended(signal: AbortSignal): HoldfastError {
  return new HoldfastError('HOLDFAST_ABORTED', 'the wait for the lock was ended by its caller', {
    cause: signal.reason,
  })
}

function ignore(): void {}
