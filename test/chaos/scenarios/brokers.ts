import type { ChaosNode, Scenario, World } from '../machine/index.ts'

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
