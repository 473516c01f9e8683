import { describe, expect, test } from 'vitest'
import type { DedupeStore } from '../../../src/idempotency/index.ts'
import { memoryDedupeStore } from '../../../src/idempotency/index.ts'
import type { VirtualRuntime } from '../../../src/testing/index.ts'
import { dedupeStoreConformance, virtualRuntime } from '../../../src/testing/index.ts'

const TTL_MS = 60_000

type Make = (runtime: VirtualRuntime) => DedupeStore

const sound: Make = (runtime) => memoryDedupeStore({ maxEntries: 1_000, ttlMs: TTL_MS, runtime })

/** The promises that a store does not keep. */
async function broken(make: Make): Promise<readonly string[]> {
  const tests: { readonly promise: string; readonly body: () => Promise<void> }[] = []
  dedupeStoreConformance({
    name: 'a store',
    ttlMs: TTL_MS,
    describe: (_name, body) => body(),
    test: (promise, body) => void tests.push({ promise, body }),
    async create() {
      const runtime = virtualRuntime()
      return {
        store: make(runtime),
        tick: runtime.advance,
        now: () => runtime.clock.now(),
        jumpWallClock: runtime.clock.jumpWallClock,
        close: async () => {},
      }
    },
  })
  const failed: string[] = []
  for (const { promise, body } of tests) await body().catch(() => failed.push(promise))
  return failed
}

const but =
  (change: (store: DedupeStore) => Partial<DedupeStore>): Make =>
  (runtime) => {
    const store = sound(runtime)
    return { ...store, ...change(store) }
  }
const withIds = (cut: (id: string) => string): Make =>
  but((store) => ({ begin: (id, options) => store.begin(cut(id), options) }))

/** Defects that stores have or could have, each with a promise that must not hold then. */
const defects: ReadonlyArray<readonly [defect: string, promise: string, make: Make]> = [
  [
    'says done of what somebody works on',
    'is busy while somebody works',
    but((store) => ({
      async begin(id, options) {
        const result = await store.begin(id, options)
        return result.kind === 'busy' ? { kind: 'done', outcome: 'handled' } : result
      },
    })),
  ],
  [
    'looks first and takes then',
    'lets only one of many begin',
    but((store) => ({
      async begin(id, options) {
        const result = await store.begin(id, options)
        return result.kind === 'busy' ? { kind: 'started', token: `late:${id}`, attempt: 1 } : result
      },
    })),
  ],
  [
    'takes over without a look at the others',
    'lets only one of many take over',
    but((store) => {
      const attempts = new Map<string, number>()
      return {
        async begin(id, options) {
          const result = await store.begin(id, options)
          if (result.kind === 'started') attempts.set(id, result.attempt)
          const attempt = attempts.get(id) ?? 1
          return result.kind === 'busy' && attempt > 1 ? { kind: 'started', token: `late:${id}`, attempt } : result
        },
      }
    }),
  ],
  ['cuts long ids', 'takes any text as an id', withIds((id) => id.slice(0, 255))],
  ['does not tell capital letters apart', 'takes any text as an id', withIds((id) => id.toLowerCase())],
  ['trims ids', 'takes any text as an id', withIds((id) => id.replace(/\s+"\]$/, '"]'))],
  [
    'counts an interrupted begin',
    'gives an abandoned message out again at once',
    but((store) => ({ abandon: (token, attempts) => store.abandon(token, attempts ?? 1) })),
  ],
  [
    'forgets failed attempts',
    'counts the attempts that the holder',
    but((store) => ({ abandon: (token) => store.abandon(token) })),
  ],
  [
    'does not add a lease that ran out',
    'adds a lease that ran out',
    but((store) => ({
      async begin(id, options) {
        const result = await store.begin(id, options)
        return result.kind === 'started' && result.attempt > 3 ? { ...result, attempt: 3 } : result
      },
    })),
  ],
  [
    'never lets a lease run out',
    'gives a message out again when its lease has run out',
    but((store) => ({ begin: (id, options) => store.begin(id, { ...options, leaseMs: 2 ** 31 - 1 }) })),
  ],
  [
    'names the message and not its begin',
    'proves each begin by a token of its own',
    but((store) => {
      const latest = new Map<string, string>()
      return {
        async begin(id, options) {
          const result = await store.begin(id, options)
          if (result.kind !== 'started') return result
          latest.set(id, result.token)
          return { ...result, token: id }
        },
        complete: (token, outcome) => store.complete(latest.get(token)!, outcome),
        abandon: (token, attempts) => store.abandon(latest.get(token)!, attempts),
        renew: (token, leaseMs) => store.renew(latest.get(token)!, leaseMs),
      }
    }),
  ],
  [
    'swallows the refusal of a completion',
    'refuses the completion of one whose message was begun again',
    but((store) => ({
      async complete(token, outcome) {
        try {
          await store.complete(token, outcome)
        } catch {
          // as if it had been marked
        }
      },
    })),
  ],
  [
    'marks for whoever asks',
    'marks by the holder alone',
    (runtime) => {
      const store = sound(runtime)
      const marks = new Map<string, 'handled' | 'parked'>()
      const idOf = (token: string): string => token.slice(token.indexOf(':') + 1)
      return {
        ...store,
        begin(id, options) {
          const outcome = marks.get(id)
          return outcome === undefined || options.replay === true ? store.begin(id, options) : { kind: 'done', outcome }
        },
        complete: (token, outcome) => void marks.set(idOf(token), outcome),
      }
    },
  ],
  ['renews nothing', 'keeps a renewed lease', but(() => ({ renew() {} }))],
  [
    'only ever makes leases longer',
    'makes a lease as short as its renewal says',
    but((store) => ({ renew: (token, leaseMs) => store.renew(token, Math.max(leaseMs, 10_000)) })),
  ],
  [
    'measures leases by the wall clock',
    'keeps leases and marks for as long as they last when the wall clock jumps',
    ({ clock, ...runtime }) =>
      memoryDedupeStore({ ttlMs: TTL_MS, runtime: { ...runtime, clock: { ...clock, monotonic: clock.now } } }),
  ],
  [
    'lets a mark end with its lease',
    'keeps a mark when the lease that made it',
    (runtime) => memoryDedupeStore({ ttlMs: 1_000, runtime }),
  ],
  ['never forgets', 'forgets what is done after its time', (runtime) => memoryDedupeStore({ ttlMs: 2 ** 40, runtime })],
  [
    'does not replay',
    'begins what is done when it is replayed',
    but((store) => ({ begin: (id, { leaseMs }) => store.begin(id, { leaseMs }) })),
  ],
  [
    'abandons whatever it is told to',
    'lets nobody abandon another’s lease',
    but((store) => {
      const latest = new Map<string, string>()
      return {
        async begin(id, options) {
          const result = await store.begin(id, options)
          if (result.kind === 'started') latest.set(id, result.token)
          return result
        },
        abandon: (token, attempts) => store.abandon(latest.get(token.slice(token.indexOf(':') + 1))!, attempts),
      }
    }),
  ],
]

describe('a store with a defect', () => {
  test('is none when it is sound', async () => {
    expect(await broken(sound)).toEqual([])
  })

  test.each(defects)('that %s breaks: %s', async (_defect, promise, make) => {
    expect(await broken(make)).toContainEqual(expect.stringContaining(promise))
  })
})
