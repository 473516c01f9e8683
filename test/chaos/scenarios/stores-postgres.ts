import pg from 'pg'
import type { PostgresOfScenario, Scenario, Workload, World } from '../machine/index.ts'
import type { Contention } from '../worker/index.ts'
import { takenByOne } from '../worker/index.ts'
import { nothingParked, outage, RATE, seenByStore } from './stores.ts'

/** One attempt: whatever uses up another one parks the message. */
const ONE_ATTEMPT: Workload['subscription'] = {
  ordering: 'key',
  handlerTimeoutMs: 15_000,
  retry: { maxAttempts: 1, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0.2 },
}
const CONSUMER: Workload['consumer'] = {
  concurrency: 8,
  sessionTimeoutMs: 6_000,
  heartbeatIntervalMs: 500,
  rebalanceTimeoutMs: 20_000,
  drainTimeoutMs: 5_000,
  commitIntervalMs: 100,
}
/** What pg sends to commit. */
const COMMIT = Buffer.from('commit\0')
const ADMIN_SHUTDOWN = '57P01'
const TOO_MANY_CONNECTIONS = '53300'

function postgresOf({ stores }: World): PostgresOfScenario {
  return stores.postgres!
}

function withInbox(
  plan: Partial<Extract<Workload['dedupe'], { readonly kind: 'inbox' }>> = {},
  workload: Partial<Workload> = {},
): Partial<Workload> {
  return {
    dedupe: { kind: 'inbox', ...plan },
    consumer: CONSUMER,
    subscription: ONE_ATTEMPT,
    fates: {},
    ratePerSecond: RATE,
    ...workload,
  }
}

async function restart(world: World, how: 'fast' | 'immediate'): Promise<void> {
  const { server } = postgresOf(world)
  await world.nemesis.during(
    'postgres stopped',
    how,
    async () => {
      await server.stop(how)
      return () => server.restart()
    },
    () => outage(world, 1_500),
  )
  const before = world.live.outcomes
  await world.until('that work goes on', () => world.live.outcomes >= before + 100)
}

/** The database goes, under transactions that hold marks and effects. */
export const postgresRestart: Scenario = {
  number: 32,
  name: 'postgres-restart',
  about:
    'PostgreSQL is shut down and crashes under an inbox, and answers to commits are lost: every effect is there once, no attempt is used up.',
  seconds: 40,
  workload: withInbox(),
  expectations: { requiredCounters: ['paused', 'commitFoundByMark'] },
  async inject(world) {
    const answers = postgresOf(world).proxy.loseAnswers(COMMIT, 3)
    await world.nemesis.during(
      'answers lost',
      'commits of the inbox',
      () => () => answers.disarm(),
      () => world.until('three lost answers', () => answers.lost === 3),
    )
    await restart(world, 'fast')
    await restart(world, 'immediate')
  },
  verify: async (world) => nothingParked(world),
}

/** Somebody ends connections all the time. */
export const postgresTerminated: Scenario = {
  number: 32,
  name: 'postgres-terminated',
  about:
    'Every connection of every member to the database is ended each 300 ms for ten seconds: every effect is there once, no attempt is used up.',
  seconds: 45,
  workload: withInbox({}, { handlerMs: 30 }),
  expectations: { requiredCounters: ['paused'] },
  async inject(world) {
    const { database } = postgresOf(world)
    await world.nemesis.during(
      'connections ended',
      'all members',
      () => () => undefined,
      async () => {
        const before = world.live.count('paused')
        const isSeen = (): boolean => (world.live.look(), world.live.count('paused') > before)
        for (let n = 0; n < 33 || (n < 200 && !isSeen()); n++) {
          await endConnections(database)
          await world.pause(300)
        }
      },
    )
  },
  verify: async (world) => [...nothingParked(world), ...seenByStore(world, ADMIN_SHUTDOWN, 'connection')],
}

/** Somebody else takes every connection there is. */
export const postgresExhausted: Scenario = {
  number: 32,
  name: 'postgres-exhausted',
  about:
    'Somebody takes all connections of the database for six seconds: members wait, every effect is there once, no attempt is used up.',
  seconds: 45,
  workload: withInbox({ settings: { max_connections: '50' } }),
  expectations: { requiredCounters: ['paused'] },
  async inject(world) {
    const { server, database } = postgresOf(world)
    const taken: pg.Client[] = []
    await world.nemesis.during(
      'connections taken',
      'all of them',
      () => async () => {
        await Promise.all(taken.map((client) => client.end()))
      },
      async () => {
        const [from, until] = [performance.now(), performance.now() + 60_000]
        const isSeen = (): boolean => (world.live.look(), world.live.storeFailures.has(TOO_MANY_CONNECTIONS))
        while (performance.now() < from + 6_000 || (performance.now() < until && !isSeen())) {
          await endConnections(database)
          while (await takeOne(server.url, taken));
          await world.pause(200)
        }
      },
    )
  },
  verify: async (world) => [...nothingParked(world), ...seenByStore(world, TOO_MANY_CONNECTIONS)],
}

/** The same for a store whose marks are transactions of their own, beside effects in another database. */
export const postgresStoreRestart: Scenario = {
  number: 32,
  name: 'postgres-store-restart',
  about:
    'PostgreSQL is shut down and crashes under a dedupe store: work waits, and only the killing of a member repeats effects.',
  seconds: 50,
  workload: {
    dedupe: { kind: 'postgres', leaseMs: 4_000 },
    subscription: { ...ONE_ATTEMPT, handlerTimeoutMs: 3_000, retry: { ...ONE_ATTEMPT.retry, maxAttempts: 2 } },
    consumer: CONSUMER,
    fates: {},
    ratePerSecond: RATE,
    dieAt: { 'consumer-1': 'process:handled#120', 'consumer-2': 'process:completed#140' },
  },
  expectations: { allowedExits: [0, 'SIGKILL'], requiredCounters: ['paused', 'dedupeHit', 'doubledByKill'] },
  async inject(world) {
    await world.until('two deaths at failpoints', () => world.live.count('stop') >= 2)
    await world.until('that all are back', () => new Set(world.live.owners.values()).size >= 3)
    await restart(world, 'fast')
    await restart(world, 'immediate')
  },
  verify: async (world) => nothingParked(world),
}

/** What the database ends for the sake of others is repeated in place. */
function collisions(
  name: string,
  about: string,
  plan: {
    readonly contention: Contention
    readonly isolation?: 'serializable'
    readonly settings?: Record<string, string>
  },
  inject: Scenario['inject'],
): Scenario {
  return {
    number: 33,
    name,
    about,
    seconds: 45,
    // All tries of a call share its time, and an unlucky one can lose many times in a row: that is no timeout of a handler here.
    workload: withInbox(plan, {
      ratePerSecond: plan.contention === 'crossed' ? 40 : RATE,
      subscription: { ...ONE_ATTEMPT, handlerTimeoutMs: 60_000 },
    }),
    expectations: { requiredCounters: ['transactionRepeated'], livenessBoundMs: 90_000 },
    inject,
    async verify(world) {
      const { database } = postgresOf(world)
      const { rows } = await database.query<{ taken: string; effects: string }>(
        'select (select sum(taken) from stock) as taken, (select count(*) from effects) as effects',
      )
      const [{ taken, effects } = { taken: '', effects: '' }] = rows
      const expected = Number(effects) * takenByOne(plan.contention)
      return [
        ...nothingParked(world),
        ...(Number(taken) === expected ? [] : [`rows were taken ${taken} times, and ${expected} belong to effects`]),
      ]
    },
  }
}

const MANY_WITHIN_MS = 120_000

const untilMany = async (world: World): Promise<void> => {
  const before = world.live.outcomes
  await world.until('work against each other', () => world.live.outcomes >= before + 400, MANY_WITHIN_MS)
}

/** Handlers of two keys take the same two rows the other way round. */
export const deadlocks: Scenario = collisions(
  'deadlocks',
  'Handlers of two keys take the same rows in crossed order: one of them is repeated in place, with one attempt allowed, and every effect is there once.',
  { contention: 'crossed', settings: { deadlock_timeout: '100ms' } },
  (world) => world.nemesis.once('deadlocks', 'rows of two keys', () => untilMany(world)),
)

/** Serializable transactions that cannot have come one after the other. */
export const serializationFailures: Scenario = collisions(
  'serialization-failures',
  'Serializable transactions read what others write: those that fail are repeated in place, with one attempt allowed, and every effect is there once.',
  { contention: 'skewed', isolation: 'serializable' },
  (world) => world.nemesis.once('serialization failures', 'all transactions', () => untilMany(world)),
)

const HELD_MS = 1_500

/** Somebody holds every row for longer than the handlers wait for one. */
export const lockTimeouts: Scenario = collisions(
  'lock-timeouts',
  'Somebody holds the rows for longer than handlers wait for a lock, four times: they are repeated in place, with one attempt allowed, and every effect is there once.',
  { contention: 'impatient' },
  async (world) => {
    const { database } = postgresOf(world)
    for (let n = 0; n < 4; n++) {
      await world.nemesis.once('rows held', 'all of them', async () => {
        const client = await database.connect()
        try {
          await client.query('begin')
          await client.query('select from stock order by id for update')
          await world.pause(HELD_MS)
          await client.query('commit')
        } finally {
          client.release(true)
        }
      })
      await world.pause(HELD_MS)
    }
  },
)

async function endConnections(database: pg.Pool): Promise<void> {
  await database.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'chaos-worker'`)
}

/** False when there is none left. */
async function takeOne(connectionString: string, taken: pg.Client[]): Promise<boolean> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => undefined)
  try {
    await client.connect()
    taken.push(client)
    return true
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === TOO_MANY_CONNECTIONS) return false
    throw error
  }
}
