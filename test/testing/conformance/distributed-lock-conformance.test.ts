import { describe, expect, test } from 'vitest'
import type { AcquireResult, DistributedLock, HeldLock } from '../../../src/idempotency/index.ts'
import type { DistributedLockWorld, VirtualRuntime } from '../../../src/testing/index.ts'
import { distributedLockConformance, virtualRuntime } from '../../../src/testing/index.ts'
import { memoryLockServer } from '../../helpers/memory-lock.ts'

/** Two processes, of which the first can be cut off. */
type Make = (runtime: VirtualRuntime) => Pick<DistributedLockWorld, 'lock' | 'otherLock' | 'cutOff'>

const sound: Make = (runtime) => {
  const server = memoryLockServer(runtime)
  let reaches = true
  return { lock: server.client(() => reaches), otherLock: server.client(), cutOff: () => void (reaches = false) }
}

const worldOf = (make: Make): DistributedLockWorld => {
  const runtime = virtualRuntime()
  return { ...make(runtime), tick: runtime.advance, close: async () => {} }
}

distributedLockConformance({
  name: 'a lock in memory',
  describe,
  test,
  create: async () => worldOf(sound),
})

/** The promises that a lock does not keep. */
async function broken(make: Make): Promise<readonly string[]> {
  const tests: { readonly promise: string; readonly body: () => Promise<void> }[] = []
  distributedLockConformance({
    name: 'a lock',
    describe: (_name, body) => body(),
    test: (promise, body) => void tests.push({ promise, body }),
    create: async () => worldOf(make),
  })
  const failed: string[] = []
  for (const { promise, body } of tests) await body().catch(() => failed.push(promise))
  return failed
}

/** Both processes with a defect. `shared` is what they have in common. */
const but =
  (
    change: (lock: DistributedLock, shared: Map<string, unknown>, runtime: VirtualRuntime) => Partial<DistributedLock>,
  ): Make =>
  (runtime) => {
    const { lock, otherLock, cutOff } = sound(runtime)
    const shared = new Map<string, unknown>()
    const spoilt = (each: DistributedLock): DistributedLock => {
      const whole = { ...each, ...change(each, shared, runtime) }
      // What is made of `acquire` has its defect too.
      const withLock: DistributedLock['withLock'] = async (name, work, options) => {
        const held = await whole.acquire(name, options)
        if (held.kind === 'busy') return held
        try {
          const value = await work(held)
          if (held.signal.aborted) throw held.signal.reason
          return { kind: 'done', value }
        } finally {
          await held.release()
        }
      }
      return { ...whole, withLock: whole.withLock === each.withLock ? withLock : whole.withLock }
    }
    return { lock: spoilt(lock), otherLock: spoilt(otherLock), cutOff }
  }
/** Changes what a holder gets. */
const heldBut = (change: (held: HeldLock, shared: Map<string, unknown>, name: string) => Partial<HeldLock>): Make =>
  but((lock, shared) => ({
    async acquire(name, options) {
      const held = await lock.acquire(name, options)
      if (held.kind === 'busy') return held
      const changed = change(held, shared, name)
      const release = changed.release ?? held.release
      return { ...held, release, [Symbol.asyncDispose]: release, ...changed }
    },
  }))
const fake = (token: bigint): AcquireResult => ({
  kind: 'acquired',
  token,
  signal: new AbortController().signal,
  release: async () => {},
  [Symbol.asyncDispose]: async () => {},
})

/** Defects that locks have or could have, each with a promise that must not hold then. */
const defects: ReadonlyArray<readonly [defect: string, promise: string, make: Make]> = [
  [
    'gives what somebody else has',
    'says that somebody else has it',
    but((lock) => ({
      async acquire(name, options) {
        const result = await lock.acquire(name, options)
        return result.kind === 'busy' ? fake(1n) : result
      },
    })),
  ],
  [
    'knows only its own process',
    'says that somebody else has it',
    (runtime) => ({ ...sound(runtime), otherLock: sound(runtime).lock }),
  ],
  [
    'throws when it is taken',
    'says that somebody else has it',
    but((lock) => ({
      async acquire(name, options) {
        const result = await lock.acquire(name, options)
        if (result.kind === 'busy') throw new Error('taken')
        return result
      },
    })),
  ],
  [
    'looks first and takes then',
    'gives it to one of many',
    but((lock, shared) => ({
      async acquire(name, options) {
        const asked = Number(shared.get(name) ?? 0)
        shared.set(name, asked + 1)
        const result = await lock.acquire(name, options)
        shared.set(name, Number(shared.get(name)) - 1)
        return result.kind === 'busy' && asked > 0 ? fake(1n) : result
      },
    })),
  ],
  [
    'has one lock for all names',
    'lets two names be held',
    but((lock) => ({ acquire: (_, options) => lock.acquire('', options) })),
  ],
  [
    'does not tell capital letters apart',
    'lets two names be held',
    but((lock) => ({ acquire: (name, options) => lock.acquire(name.toLowerCase(), options) })),
  ],
  [
    'cuts long names',
    'lets two names be held',
    but((lock) => ({ acquire: (name, options) => lock.acquire(name.slice(0, 255), options) })),
  ],
  ['gives one token to all', 'gives each holder of a name a greater token', heldBut(() => ({ token: 1n }))],
  [
    'counts in each process for itself',
    'gives each holder of a name a greater token',
    but((lock) => {
      let count = 0n
      return {
        async acquire(name, options) {
          const held = await lock.acquire(name, options)
          return held.kind === 'busy' ? held : { ...held, token: ++count }
        },
      }
    }),
  ],
  [
    'makes what does not fit fit',
    'refuses options that do not fit',
    but((lock) => ({
      acquire: (name, { leaseMs = 1_000 } = {}) =>
        lock.acquire(name, { leaseMs: Math.max(100, Math.trunc(leaseMs) || 100) }),
    })),
  ],
  [
    'does not wait',
    'gives a lock to one who waits',
    but((lock) => ({ acquire: (name, { leaseMs = 1_000 } = {}) => lock.acquire(name, { leaseMs }) })),
  ],
  [
    'says busy when the time is up',
    'says that the time is up',
    but((lock) => ({
      acquire: (name, options) =>
        lock.acquire(name, options).catch((error: unknown) => {
          if ((error as { code?: string }).code !== 'HOLDFAST_LOCK_TIMEOUT') throw error
          return { kind: 'busy' as const }
        }),
    })),
  ],
  [
    'waits on after its caller has gone',
    'lets the caller end the wait',
    but((lock) => ({
      acquire: (name, { leaseMs = 1_000, waitMs } = {}) =>
        lock.acquire(name, waitMs === undefined ? { leaseMs } : { leaseMs, waitMs }),
    })),
  ],
  [
    'ends with the signal of its wait',
    'does not end what is held when the signal of its wait aborts',
    but((lock) => ({
      async acquire(name, options) {
        const held = await lock.acquire(name, options)
        if (held.kind === 'acquired' && options?.signal)
          options.signal.addEventListener('abort', () => void held.release())
        return held
      },
    })),
  ],
  [
    'renews nothing',
    'keeps a lock for longer than its lease',
    (runtime) => {
      const server = memoryLockServer(runtime, { forgetsRenewals: true })
      return { lock: server.client(), otherLock: server.client(), cutOff: () => {} }
    },
  ],
  ['is never free again', 'frees a lock at once', heldBut(() => ({ release: async () => {} }))],
  [
    'gives back whatever is there',
    'gives a lock back once',
    heldBut((held, shared, name) => {
      shared.set(name, held)
      return { release: async () => (shared.get(name) as HeldLock).release() }
    }),
  ],
  [
    'does not end with its scope',
    'gives a lock back at the end of its scope',
    heldBut(() => ({ [Symbol.asyncDispose]: async () => {} })),
  ],
  [
    'keeps the lock of a work that throws',
    'works under a lock',
    but((lock) => ({
      async withLock(name, work, options) {
        const held = await lock.acquire(name, options)
        if (held.kind === 'busy') return held
        const value = await work(held)
        await held.release()
        return { kind: 'done', value }
      },
    })),
  ],
  [
    'works without the lock',
    'works under a lock',
    but(() => ({ withLock: async (_, work) => ({ kind: 'done', value: await work(fake(1n) as HeldLock) }) })),
  ],
  [
    'never tells that it is lost',
    'tells a holder that is cut off to stop',
    heldBut(() => ({ signal: new AbortController().signal })),
  ],
  [
    'tells only once the lease has ended',
    'tells a holder that is cut off to stop before anybody else',
    but((lock, _, { clock }) => ({
      async acquire(name, options) {
        const held = await lock.acquire(name, options)
        if (held.kind === 'busy') return held
        const late = new AbortController()
        held.signal.addEventListener('abort', () => clock.after(3_000, () => late.abort(held.signal.reason)))
        return { ...held, signal: late.signal }
      },
    })),
  ],
  [
    'gives the lost one’s successor back',
    'leaves the successor’s lock alone',
    heldBut((held, shared, name) => {
      shared.set(name, held)
      return { release: async () => (shared.get(name) as HeldLock).release() }
    }),
  ],
  [
    'takes a work for done whose lock was lost',
    'fails a work whose lock was lost',
    but((lock) => ({
      async withLock(name, work, options) {
        const held = await lock.acquire(name, options)
        if (held.kind === 'busy') return held
        try {
          return { kind: 'done', value: await work(held) }
        } finally {
          await held.release()
        }
      },
    })),
  ],
  [
    'waits for a silent server to take it back',
    'gives a lock back without an end to it',
    (runtime) => {
      const { lock, otherLock, cutOff } = sound(runtime)
      let isCut = false
      const acquire: DistributedLock['acquire'] = async (name, options) => {
        const held = await lock.acquire(name, options)
        if (held.kind === 'busy') return held
        return { ...held, release: () => (isCut ? new Promise<never>(() => {}) : held.release()) }
      }
      return {
        lock: { ...lock, acquire },
        otherLock,
        cutOff() {
          isCut = true
          cutOff()
        },
      }
    },
  ],
  [
    'waits for a silent server for ever',
    'says that its server does not answer',
    but((lock) => ({
      acquire: (name, options) =>
        lock.acquire(name, options).catch((error: unknown) => {
          if ((error as { code?: string }).code === 'HOLDFAST_STORE_UNAVAILABLE') return new Promise<never>(() => {})
          throw error
        }),
    })),
  ],
]

describe('a lock with a defect', () => {
  test('is none when it is sound', async () => {
    expect(await broken(sound)).toEqual([])
  })

  test.each(defects)('that %s breaks: %s', async (_defect, promise, make) => {
    expect(await broken(make)).toContainEqual(expect.stringContaining(promise))
  })
})
