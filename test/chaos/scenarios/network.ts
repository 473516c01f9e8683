import { API_KEYS } from '../../../scripts/services/index.ts'
import type { Scenario } from '../machine/index.ts'

/** Connections die all the time. */
export const connectionResets: Scenario = {
  number: 11,
  name: 'connection-resets',
  about: 'Every connection to every broker is reset every 700 ms, some in the middle of a produce request.',
  seconds: 35,
  async inject(world) {
    const { nodes } = world.cluster
    await world.nemesis.during(
      'resets',
      'all brokers',
      () => () => undefined,
      async () => {
        for (let n = 0; n < 14; n++) {
          for (const { proxy } of nodes) {
            if (n % 3 === 2) proxy.cutAfterProducedBytes(Math.floor(world.random() * 2_000))
            else proxy.reset()
          }
          await world.pause(700)
        }
      },
    )
  },
}

/** A route is gone: nothing answers, and nothing is refused. */
export const blackHole: Scenario = {
  number: 12,
  name: 'black-hole',
  about:
    'Nothing passes to or from one broker for twelve seconds, and nothing is refused; nobody hangs for longer than its timeouts.',
  seconds: 55,
  expectations: { livenessBoundMs: 90_000 },
  async inject(world) {
    const node = await world.cluster.leaderOf(world.topic, 0)
    await world.nemesis.during(
      'black hole',
      `node ${node.id}`,
      () => {
        node.proxy.blackHole(true)
        return () => node.proxy.blackHole(false)
      },
      () => world.pause(12_000),
    )
  },
}

/** One member's requests get lost on their way to its coordinator; it hears everything and is heard by nobody. */
export const oneWayPartition: Scenario = {
  number: 13,
  name: 'one-way-partition',
  about:
    "One member's requests do not reach its coordinator: it is taken for dead, its partitions move, and it comes back.",
  seconds: 45,
  expectations: { requiredCounters: ['rebalanceWithWorkInFlight'] },
  workload: { handlerMs: 30, ratePerSecond: 200 },
  async inject(world) {
    const victim = world.worker('consumer-1')
    const coordinator = await world.cluster.coordinatorOf('group', world.group)
    const othersHave = (): boolean =>
      Array.from(world.live.owners.values()).every((proc) => proc !== victim.proc) &&
      world.live.owners.size === world.workload.partitions
    await world.nemesis.during(
      'requests lost',
      `${victim.proc} to node ${coordinator.id}`,
      () => {
        const hole = coordinator.proxy.hole({ direction: 'requests', clientId: victim.proc })
        return () => hole.heal()
      },
      async () => {
        await world.until('that others have its partitions', othersHave)
        await world.pause(2_000)
      },
    )
    await world.until('that it has partitions again', () =>
      Array.from(world.live.owners.values()).includes(victim.proc),
    )
  },
}

/** A line that is slow, coarse, narrow, and whose heartbeats dawdle. */
export const slowNetwork: Scenario = {
  number: 14,
  name: 'slow-network',
  about:
    'Latency of 300 ms give or take 200, frames in pieces of 1 to 10 bytes, 64 kB/s, late heartbeats: slow, and nobody is fenced.',
  seconds: 60,
  workload: { ratePerSecond: 60 },
  async inject(world) {
    const { nodes } = world.cluster
    const lostBefore = world.live.count('lost')
    const everywhere = (begin: (proxy: (typeof nodes)[number]['proxy']) => { heal(): void }) => () => {
      const toxics = nodes.map(({ proxy }) => begin(proxy))
      return () => toxics.forEach((toxic) => toxic.heal())
    }
    const forAWhile = (): Promise<void> => world.pause(6_000)
    await world.nemesis.during(
      'latency',
      'all brokers',
      everywhere((proxy) => proxy.latency(300, 200)),
      forAWhile,
    )
    await world.nemesis.during(
      'small pieces',
      'all brokers',
      everywhere((proxy) => proxy.slicer(1, 10)),
      forAWhile,
    )
    await world.nemesis.during(
      'narrow line',
      'all brokers',
      everywhere((proxy) => proxy.bandwidth(64_000)),
      forAWhile,
    )
    const late = everywhere((proxy) => {
      const fault = proxy.delayRequests(API_KEYS.heartbeat, 1_000, 1_000)
      return { heal: () => fault.disarm() }
    })
    await world.nemesis.during('late heartbeats', 'all brokers', late, forAWhile)
    const lost = world.live.count('lost') - lostBefore
    if (lost > 0) throw new Error(`${lost} partitions were lost below the session timeout`)
  },
}
