import pg from 'pg'
import type { RelayScenario, RelayWorld } from '../machine/index.ts'
import { enqueueing } from '../worker/index.ts'
import { goesOn } from './relays.ts'

/** What pg sends to commit. */
const COMMIT = Buffer.from('commit\0')
/** How a relay's mark begins. */
const MARK = Buffer.from('delete from "public"."holdfast_outbox"')
const LOST = 3

/** The database goes, under enqueues and relays. */
export const outboxPostgresRestart: RelayScenario = {
  kind: 'relay',
  number: 32,
  name: 'outbox-postgres-restart',
  about:
    'Answers to commits and marks are lost, then PostgreSQL is shut down, and crashes: what was committed is sent, and nothing else.',
  seconds: 45,
  workload: { notify: true },
  expectations: { requiredCounters: ['outboxCommitInDoubt', 'outboxRolledBack', 'markInDoubt'] },
  async inject(world) {
    const { proxy, server } = world.outbox
    for (const [what, request] of [
      ['commits', COMMIT],
      ['marks', MARK],
    ] as const) {
      const answers = proxy.loseAnswers(request, LOST)
      await world.nemesis.during(
        'answers lost',
        what,
        () => () => answers.disarm(),
        () => world.until('three lost answers', () => answers.lost === LOST),
      )
    }
    for (const how of ['fast', 'immediate'] as const) {
      await world.nemesis.during(
        'postgres stopped',
        how,
        async () => {
          await server.stop(how)
          return () => server.restart()
        },
        () => world.pause(2_000),
      )
      await goesOn(world)
    }
  },
}

const HELD_MS = 12_000
const MEASURED_MS = 6_000
/** What two cores that others use, too, leave of it. */
const LEAST_SHARE = 0.5

/** Transactions that stay open: one that only looks, and one that has enqueued. */
export const outboxLongTransaction: RelayScenario = {
  kind: 'relay',
  number: 34,
  name: 'outbox-long-transaction',
  about:
    'An unrelated transaction keeps its snapshot, and one that has enqueued stays open: others are sent as fast as before, its row when it commits.',
  seconds: 40,
  async inject(world) {
    const pool = new pg.Pool({ connectionString: world.outbox.server.url, max: 3 })
    const { topic, canary } = world
    const transactions = enqueueing(pool, world.journal, { topic, canary, notify: false })
    const slow = (n: number, hold: () => Promise<unknown>): Promise<void> =>
      transactions.run({
        txn: `slow-${n}`,
        messages: [{ id: `m-slow-${n}`, key: 'slow', pad: '', isTombstone: false }],
        isOneCall: false,
        rolledBackFirst: 0,
        isRolledBack: false,
        hold,
        isNumberedLate: true,
      })
    try {
      const usual = await sentIn(world, MEASURED_MS)
      const reader = await pool.connect()
      await reader.query('begin isolation level repeatable read')
      await reader.query('select count(*) from chaos_messages')
      const open = signal()
      const enqueued = signal()
      const first = slow(1, () => {
        enqueued.resolve()
        return open.promise
      })
      await world.nemesis.during(
        'transactions stay open',
        'one that reads, one that has enqueued',
        () => () => open.resolve(),
        async () => {
          await enqueued.promise
          const second = slow(2, () => Promise.resolve()) // of the same key: it waits, and comes second
          void second
          await world.pause(HELD_MS - MEASURED_MS)
          const meanwhile = await sentIn(world, MEASURED_MS)
          if (meanwhile < usual * LEAST_SHARE)
            throw new Error(`${meanwhile} messages were sent beside open transactions, and ${usual} before`)
          if (world.live.relayed.has('m-slow-1')) throw new Error('a message was sent that was not committed')
        },
      )
      await first
      await world.until(
        'that its row comes',
        () => ['m-slow-1', 'm-slow-2'].every((id) => world.live.relayed.has(id)),
        10_000,
      )
      await reader.query('rollback')
      reader.release()
    } finally {
      await pool.end()
    }
  },
}

/** A promise, and what resolves it. */
function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}

async function sentIn({ live, pause }: RelayWorld, ms: number): Promise<number> {
  live.look()
  const before = live.relayed.size
  await pause(ms)
  live.look()
  return live.relayed.size - before
}

const AWAY_MS = 60_000
const LEAST_WAITING = 1_000

/** Nobody can be reached for a minute. */
export const outboxBrokerAway: RelayScenario = {
  kind: 'relay',
  number: 36,
  name: 'outbox-broker-away',
  about:
    'No broker can be reached for a minute: transactions go on, rows wait, and all are sent in order when brokers are back.',
  seconds: 110,
  expectations: { livenessBoundMs: 90_000 },
  async inject(world) {
    await world.nemesis.during(
      'brokers away',
      'all of them',
      async () => {
        const refused = await Promise.all(world.cluster.nodes.map(({ proxy }) => proxy.refuse()))
        return async () => void (await Promise.all(refused.map((each) => each.heal())))
      },
      async () => {
        await world.pause(AT_REST_MS)
        const sent = await sentIn(world, AWAY_MS - AT_REST_MS)
        if (sent > 0) throw new Error(`proves nothing: ${sent} messages were sent to brokers that were away`)
        const waiting = await world.outbox.waiting()
        world.say(`${waiting} rows wait`)
        if (waiting < LEAST_WAITING) throw new Error(`proves nothing: only ${waiting} rows wait`)
      },
    )
    await goesOn(world)
  },
}

/** Answers that were on their way have come. */
const AT_REST_MS = 2_000
