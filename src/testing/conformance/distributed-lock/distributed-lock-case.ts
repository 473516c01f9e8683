import assert from 'node:assert/strict'
import type { AcquireResult, DistributedLock, HeldLock } from '../../../idempotency/index.ts'

/** What one test of the suite works with. */
export interface DistributedLockWorld {
  readonly lock: DistributedLock
  /** The same lock as another process sees it, on connections of its own. */
  readonly otherLock: DistributedLock
  /** Lets so much time pass for both: a virtual clock moves, a real one is waited for. */
  readonly tick: (ms: number) => Promise<void>
  /**
   * Cuts {@link DistributedLockWorld.lock} off its server, as a network does that loses everything: nothing that it sends arrives, and nothing
   * tells it so. For good.
   */
  cutOff(): void
  close(): Promise<void>
}

/** One promise of the port, and how it is held. */
export interface DistributedLockCase {
  readonly promise: string
  readonly hold: (world: DistributedLockWorld, leaseMs: number) => Promise<void>
}

export const name = 'nightly report'
export const other = 'nightly report of another region'

/** The lock that was acquired. */
export async function held(acquiring: Promise<AcquireResult>): Promise<HeldLock> {
  const result = await acquiring
  assert.equal(result.kind, 'acquired')
  assert.ok(result.kind === 'acquired')
  return result
}

/** Holds a lock to be somebody else's. */
export async function assertBusy(acquiring: Promise<AcquireResult>): Promise<void> {
  const result = await acquiring
  if (result.kind === 'acquired') await result.release()
  assert.equal(result.kind, 'busy')
}

/** Lets time pass until the work settles, `withinMs` at most, and answers as it does. */
export async function settled<T>(
  work: Promise<T>,
  { tick }: Pick<DistributedLockWorld, 'tick'>,
  withinMs: number,
): Promise<T> {
  let open = true
  const end = (): void => void (open = false)
  work.then(end, end)
  await tick(1)
  for (let passedMs = 1; open; passedMs += STEP_MS) {
    assert.ok(passedMs <= withinMs, `not settled within ${withinMs} ms`)
    await tick(STEP_MS)
  }
  return work
}

const STEP_MS = 20

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
