import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { seededRandom } from '../../../src/testing/index.ts'
import type { Journal } from '../history/index.ts'
import type { PlannedTransaction, ToEnqueue } from './enqueue-transaction.ts'
import { enqueueing } from './enqueue-transaction.ts'
import { sampleResources } from './resources.ts'
import type { EnqueuerConfig, TransactionShares } from './worker-config.ts'

/** Above this many keys in one call buckets are locked. */
const WIDE_KEYS = 1_010
const TOMBSTONES = 0.05

/** Runs transactions at a steady rate until SIGTERM, and lets those under way end. Resolves with the exit code. */
export async function runEnqueuer(config: EnqueuerConfig, journal: Journal, stopped: AbortSignal): Promise<number> {
  const { outbox, lanes, ratePerSecond, topic, canary } = config
  const pool = new pg.Pool({ connectionString: outbox.url, max: lanes, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => undefined) // a broken idle connection is replaced at its next use
  const transactions = enqueueing(pool, journal, { topic, canary, notify: outbox.notify })
  let open = 0
  const resources = sampleResources(journal, () => open)
  resources.sample('baseline')
  const plan = planner(config)
  const everyMs = (1_000 * lanes) / ratePerSecond

  const lane = async (nth: number): Promise<void> => {
    let due = performance.now() + (everyMs * nth) / lanes
    while (!stopped.aborted) {
      await sleep(Math.max(0, due - performance.now()), undefined, { signal: stopped }).catch(() => undefined)
      if (stopped.aborted) return
      open += 1
      await transactions.run(plan())
      open -= 1
      due = Math.max(due + everyMs, performance.now() - everyMs) // what was missed in an outage is not made up for
    }
  }

  await Promise.all(Array.from({ length: lanes }, (_, nth) => lane(nth)))
  await pool.end()
  await resources.stop()
  return 0
}

function planner({ proc, seed, keys, padBytes, shares }: EnqueuerConfig): () => PlannedTransaction {
  const random = seededRandom(seed + Number(Buffer.from(proc).toString('hex').slice(-8)))
  const upTo = (n: number): number => Math.floor(random() * n)
  let [count, transactions] = [0, 0]
  const message = (key: string): ToEnqueue => ({
    id: `m-${proc}-${++count}`,
    key,
    pad: 'x'.repeat(padBytes),
    isTombstone: random() < TOMBSTONES,
  })
  const some = (n: number): ToEnqueue[] => Array.from({ length: n }, () => message(`k-${upTo(keys)}`))
  const inKeyOrder = (messages: ToEnqueue[]): ToEnqueue[] =>
    messages.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))

  return () => {
    const kind = drawn(shares, random() * 1_000)
    const plan = {
      txn: `${proc}-t${++transactions}`,
      isOneCall: false,
      rolledBackFirst: 0,
      isRolledBack: kind === 'rolled-back',
      hold: () => Promise.resolve(),
      isNumberedLate: random() < 0.5,
    }
    const short = (): ToEnqueue[] => inKeyOrder(some(1 + upTo(3)))
    switch (kind) {
      case 'held':
        return { ...plan, messages: some(1), hold: () => sleep(1_000 + upTo(2_000)) }
      case 'many':
        return { ...plan, messages: some(4 + upTo(8)).map(withValue), isOneCall: true }
      case 'wide':
        return {
          ...plan,
          messages: Array.from({ length: WIDE_KEYS }, (_, n) => withValue(message(`k-${n}`))),
          isOneCall: true,
        }
      case 'crossed':
        return { ...plan, messages: some(4) }
      case 'part-rolled-back':
        return { ...plan, messages: [...some(1), ...short()], rolledBackFirst: 1 }
      default:
        return { ...plan, messages: short() }
    }
  }
}

function withValue(message: ToEnqueue): ToEnqueue {
  return { ...message, isTombstone: false }
}

function drawn(shares: TransactionShares, at: number): keyof TransactionShares | 'short' {
  let from = 0
  for (const [kind, share] of Object.entries(shares) as [keyof TransactionShares, number][]) {
    from += share
    if (at < from) return kind
  }
  return 'short'
}
