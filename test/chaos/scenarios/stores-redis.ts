import type { RedisOfScenario, Scenario, ScenarioExpectations, Workload, World } from '../machine/index.ts'
import { askRedis } from '../machine/index.ts'
import { REFUSED } from '../worker/index.ts'
import { nothingParked, outage, RATE, seenByStore } from './stores.ts'

/** A call of the store may take as long as a lease. */
const LEASE_MS = 4_000
const SUBSCRIPTION: Workload['subscription'] = {
  ordering: 'key',
  handlerTimeoutMs: 3_000,
  retry: { maxAttempts: 2, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0.2 },
}
/** Marks outlive their commits by this long, so that a member that dies leaves many that were done. */
const SELDOM_MS = 5_000

function redisOf({ stores }: World): RedisOfScenario {
  return stores.redis!
}

function withRedis(
  plan: Partial<Extract<Workload['dedupe'], { readonly kind: 'redis' }>>,
  workload: Partial<Workload> = {},
): Partial<Workload> {
  return {
    dedupe: { kind: 'redis', leaseMs: LEASE_MS, ...plan },
    subscription: SUBSCRIPTION,
    fates: {},
    ratePerSecond: RATE,
    ...workload,
  }
}

const seldomCommits: Workload['consumer'] = {
  concurrency: 16,
  sessionTimeoutMs: 6_000,
  heartbeatIntervalMs: 500,
  rebalanceTimeoutMs: 20_000,
  drainTimeoutMs: 5_000,
  commitIntervalMs: SELDOM_MS,
}

const KILLED: ScenarioExpectations = { allowedExits: [0, 'SIGKILL'] }

/** A Redis that keeps what it has acknowledged. */
export const redisRestart: Scenario = {
  number: 31,
  name: 'redis-restart',
  about:
    'A Redis with a disk (appendfsync always) is killed twice and loads its data: work waits, and only the killing of members repeats effects.',
  seconds: 60,
  workload: withRedis(
    { settings: { appendonly: 'yes', appendfsync: 'always' } },
    { dieAt: { 'consumer-1': 'process:handled#120', 'consumer-2': 'process:completed#140' } },
  ),
  expectations: { ...KILLED, requiredCounters: ['paused', 'dedupeHit', 'doubledByKill'] },
  async inject(world) {
    const { server } = redisOf(world)
    await world.until('two deaths at failpoints', () => world.live.count('stop') >= 2)
    await world.until('that all are back', () => new Set(world.live.owners.values()).size >= 3)
    await world.until('data that takes its time to load', () => world.live.outcomes >= 600)
    for (const settings of [{}, { 'key-load-delay': '1000' }]) {
      await world.nemesis.during(
        'redis killed',
        'key-load-delay' in settings ? 'and slow to load' : 'and back',
        async () => {
          await server.kill()
          return () => server.restart(settings)
        },
        () => outage(world, 1_500),
      )
      const before = world.live.outcomes
      await world.until('that work goes on', () => world.live.outcomes >= before + 100)
    }
  },
  verify: async (world) => [...nothingParked(world), ...seenByStore(world, 'LOADING')],
}

/** A Redis without a disk comes back with nothing. */
export const redisForgets: Scenario = {
  number: 31,
  name: 'redis-forgets',
  about:
    'A Redis without a disk is killed together with a member: what was marked and not committed is handled again and counted, and nothing else.',
  seconds: 50,
  workload: withRedis({}, { consumer: seldomCommits }),
  expectations: { ...KILLED, requiredCounters: ['doubledByLoss'] },
  async inject(world) {
    const { server } = redisOf(world)
    const victim = await untilUncommitted(world)
    await world.nemesis.during(
      'redis killed',
      `without a disk, and ${victim.proc}`,
      async () => {
        await world.fleet.kill(victim)
        await server.kill()
        world.journal.write({ f: 'store-loss' })
        return () => server.restart()
      },
      () => world.pause(2_000),
    )
    await world.until('that all are owned again', () => world.live.owners.size === world.workload.partitions)
  },
  verify: async (world) => nothingParked(world),
}

/** A Redis that does not answer, and refuses nothing. */
export const redisStandsStill: Scenario = {
  number: 31,
  name: 'redis-stands-still',
  about:
    'Redis stands still for three times as long as a call of it may take: partitions wait, nothing is dropped, parked or done twice.',
  seconds: 55,
  workload: withRedis({}),
  expectations: { requiredCounters: ['paused'] },
  async inject(world) {
    const { server } = redisOf(world)
    await world.nemesis.during(
      'redis stands still',
      'all members',
      () => {
        server.pause()
        return () => server.resume()
      },
      () => outage(world, 3 * LEASE_MS),
    )
  },
  async verify(world) {
    const lost = world.live.count('lost')
    return [
      ...nothingParked(world),
      ...(lost === 0 ? [] : [`${lost} partitions were lost, although members wait and live`]),
    ]
  },
}

/** The replica that takes over has not seen the last marks. */
export const redisFailover: Scenario = {
  number: 31,
  name: 'redis-failover',
  about:
    'Redis fails over to a replica that lags by two seconds, and a member dies: what lay in the gap is handled again and counted, and nothing else.',
  seconds: 55,
  workload: withRedis({ replica: true }, { consumer: seldomCommits }),
  expectations: { ...KILLED, requiredCounters: ['doubledByLoss'] },
  async inject(world) {
    const { server, replica, proxy, replication } = redisOf(world)
    await world.nemesis.once('replica lags', 'redis', async () => {
      // What was acknowledged before this moment is on the replica once it has this key.
      const since = Number(process.hrtime.bigint() / 1_000n)
      await askRedis(server, 'set', 'fence', String(since))
      while ((await askRedis(replica!, 'get', 'fence')) !== String(since)) await world.pause(10)
      replication!.shut()
      const before = world.live.outcomes
      await world.until('marks that the replica has not', () => world.live.outcomes >= before + 100)
      const victim = await untilUncommitted(world)
      await world.nemesis.once('redis fails over', `and ${victim.proc} dies`, async () => {
        await world.fleet.kill(victim)
        await server.kill()
        world.journal.write({ f: 'store-loss', since })
        await askRedis(replica!, 'replicaof', 'no', 'one')
        proxy.pointTo(replica!.port)
      })
    })
    await world.until('that all are owned again', () => world.live.owners.size === world.workload.partitions)
  },
  verify: async (world) => nothingParked(world),
}

/** A Redis that may throw marks away when it is full. */
export const redisEvicts: Scenario = {
  number: 31,
  name: 'redis-evicts',
  about:
    'Redis is told to evict keys when it is full: a member that starts is refused, and says why; those that run go on.',
  seconds: 35,
  workload: withRedis({}),
  expectations: { allowedExits: [0, REFUSED] },
  async inject(world) {
    const { server } = redisOf(world)
    const policy = async (limit: string, evicts: string): Promise<void> => {
      await askRedis(server, 'config', 'set', 'maxmemory', limit)
      await askRedis(server, 'config', 'set', 'maxmemory-policy', evicts)
    }
    await world.nemesis.during(
      'redis may evict',
      'all members',
      async () => {
        await policy('100mb', 'allkeys-lru')
        return () => policy('0', 'noeviction')
      },
      async () => {
        const { child, proc } = await world.startConsumer('guest-1')
        const { code } = await child.exited
        if (code !== REFUSED) throw new Error(`${proc} ended with ${code}, and a Redis that evicts is to be refused`)
      },
    )
    const { proc } = await world.startConsumer('guest-2')
    await world.until('that one is taken when nothing is evicted', () => world.live.count('assign', proc) > 0)
  },
  verify: async (world) => nothingParked(world),
}

/** A member that has done more than it has committed: killed now, it leaves marks without a commit. */
async function untilUncommitted(world: World) {
  const [victim] = world.fleet.consumers
  const { proc } = victim!
  const commits = world.live.count('commit-ok', proc)
  await world.until('a commit', () => world.live.count('commit-ok', proc) > commits)
  const done = world.live.count('store', proc)
  await world.until('marks without a commit', () => world.live.count('store', proc) >= done + 20)
  return victim!
}
