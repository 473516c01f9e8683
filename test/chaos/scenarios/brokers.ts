import type { ChaosNode, Scenario, World } from '../machine/index.ts'
import { TRANSACTION_FAILURES } from './transactions.ts'

/** Kafka's own session, and a little: then the others have taken over. */
const TAKEOVER_MS = 6_000

async function crash(world: World, what: string, node: ChaosNode): Promise<void> {
  await world.nemesis.during(
    'broker killed',
    `node ${node.id}, ${what}`,
    async () => {
      await node.kill()
      return () => node.restart()
    },
    () => world.pause(TAKEOVER_MS),
  )
}

/** One broker after the other dies, each in another office. */
export const brokerCrash: Scenario = {
  number: 6,
  name: 'broker-crash',
  about:
    'The leader of a partition, the coordinator of the group and the controller are killed in turn, and come back.',
  seconds: 75,
  expectations: { livenessBoundMs: 90_000 },
  async inject(world) {
    await crash(world, 'leader of partition 0', await world.cluster.leaderOf(world.topic, 0))
    await crash(world, 'coordinator', await world.cluster.coordinatorOf('group', world.group))
    await crash(world, 'controller', await world.cluster.controller())
  },
}

/** Two of three are down: nothing can be acknowledged, and nobody may say that it was. */
export const belowMinIsr: Scenario = {
  number: 7,
  name: 'below-min-isr',
  about:
    'Two of three brokers are down for twelve seconds: sends wait or fail by name, nothing acknowledged is lost, work goes on after.',
  seconds: 75,
  expectations: {
    livenessBoundMs: 120_000,
    allowedProduceFailures: ['HOLDFAST_DELIVERY_TIMEOUT', 'HOLDFAST_UNAVAILABLE', 'HOLDFAST_BUFFER_FULL'],
  },
  async inject(world) {
    const down = world.cluster.nodes.slice(1)
    await world.nemesis.during(
      'brokers killed',
      'two of three',
      async () => {
        await Promise.all(down.map((node) => node.kill()))
        return async () => void (await Promise.all(down.map((node) => node.restart())))
      },
      () => world.pause(12_000),
    )
  },
}

/** Leaders move while nobody is ill. */
export const leaderMove: Scenario = {
  number: 8,
  name: 'leader-move',
  about: 'Every partition gets another leader while all brokers are well: no send fails.',
  seconds: 45,
  async inject(world) {
    const { admin } = world.cluster
    const leaders = async (): Promise<readonly number[]> => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [world.topic] })
      return topics[0]!.partitions.toSorted((a, b) => a.partitionId - b.partitionId).map(({ leader }) => leader)
    }
    const before = await leaders()
    await world.nemesis.once('leaders move', world.topic, async () => {
      const partitionAssignment = before.map((leader, partition) => ({
        partition,
        replicas: [1, 2, 3].map((n) => ((leader + n - 1) % 3) + 1), // another one is preferred, and elected within seconds
      }))
      await admin.alterPartitionReassignments({
        topics: [{ topic: world.topic, partitionAssignment }],
        timeout: 10_000,
      })
      while ((await leaders()).some((leader, partition) => leader === before[partition])) await world.pause(500)
    })
  },
}

/** Coordinators die: of the group, and of the transactions that a producer makes meanwhile. */
export const coordinatorMove: Scenario = {
  number: 9,
  name: 'coordinator-move',
  about:
    'The coordinators of the group and of a transactional producer are killed; commits and transactions go on at their successors.',
  seconds: 75,
  workload: { ratePerSecond: 80, transactions: { size: 5, abortShare: 0.1, timeoutMs: 10_000 } },
  expectations: { livenessBoundMs: 90_000, allowedProduceFailures: TRANSACTION_FAILURES },
  async inject(world) {
    await crash(world, 'coordinator of the group', await world.cluster.coordinatorOf('group', world.group))
    const id = `${world.topic}-producer-1`
    await crash(world, 'coordinator of transactions', await world.cluster.coordinatorOf('transaction', id))
  },
}

/** An upgrade of the cluster. */
export const rollingRestart: Scenario = {
  number: 10,
  name: 'rolling-restart',
  about: 'All brokers are shut down in order and started again, one after the other: no send fails.',
  seconds: 90,
  expectations: { livenessBoundMs: 90_000 },
  async inject(world) {
    for (const node of world.cluster.nodes) {
      await world.nemesis.once('broker restarted', `node ${node.id}`, async () => {
        await node.terminate()
        await node.restart()
      })
      await world.pause(1_000)
    }
  },
}

const SLICE_MS = 100
const SHARE = 0.1

/** A broker that gets a tenth of its processor: it answers, and slowly. */
export const slowBroker: Scenario = {
  number: 15,
  name: 'slow-broker',
  about: 'One broker runs for a tenth of the time, for twelve seconds: what it leads waits, memory stays where it was.',
  seconds: 50,
  async inject(world) {
    const node = await world.cluster.leaderOf(world.topic, 0)
    await world.nemesis.during(
      'broker slowed down',
      `node ${node.id}`,
      () => () => node.resume(),
      async () => {
        for (let ms = 0; ms < 12_000; ms += SLICE_MS) {
          node.pause()
          await world.pause(SLICE_MS * (1 - SHARE))
          node.resume()
          await world.pause(SLICE_MS * SHARE)
        }
      },
    )
  },
}
