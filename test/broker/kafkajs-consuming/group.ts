import type { Broker, Cluster } from 'kafkajs'
import { PartitionAssigners } from 'kafkajs'
import { onTestFinished, vi } from 'vitest'
import type { World } from './member.ts'

/** kafkajs' connection to the coordinator of the world's group; it has the method, its types do not. */
type Coordinator = Broker & {
  readonly nodeId: number
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
}

async function withCoordinator<T>(
  { kafka, groupId }: World,
  use: (coordinator: Coordinator) => Promise<T>,
): Promise<T> {
  let cluster!: Cluster
  kafka.consumer({
    groupId,
    partitionAssigners: [(config) => ((cluster = config.cluster), PartitionAssigners.roundRobin(config))],
  })
  await cluster.connect()
  try {
    return await use((await cluster.findGroupCoordinator({ groupId })) as Coordinator)
  } finally {
    await cluster.disconnect()
  }
}

/** Takes the only member out of the group, as the group does when it has not heard of it for the session timeout. */
export async function expel(world: World): Promise<void> {
  const { groups } = await world.admin.describeGroups([world.groupId])
  const { memberId } = groups[0]!.members[0]!
  await withCoordinator(world, (coordinator) => coordinator.leaveGroup({ groupId: world.groupId, memberId }))
}

/** The id of the node that coordinates the group. */
export async function coordinatorOf(world: World): Promise<number> {
  return withCoordinator(world, async ({ nodeId }) => nodeId)
}

/** The state of the group, and how many members it has. */
export async function groupOf({
  admin,
  groupId,
}: World): Promise<{ readonly state: string; readonly members: number }> {
  const [group] = (await admin.describeGroups([groupId])).groups
  return { state: group!.state, members: group!.members.length }
}

/** Until the end of the test kafkajs' clock is `ms` ahead: what it knows of topics is too old now, so that it asks again. */
export function hurryKafkajs(ms: number): void {
  const now = Date.now
  const spy = vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) + ms)
  onTestFinished(() => spy.mockRestore())
}
