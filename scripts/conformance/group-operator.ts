import type { Broker, Cluster, Kafka } from 'kafkajs'
import kafkajs from 'kafkajs'

/** Does to a group what an operator's tool does. */
export interface GroupOperator {
  /**
   * Takes members out of a group, all or those of one client, without a word to them: they find out by their next heartbeat or
   * commit, as when their session had run out.
   */
  removeMembers(groupId: string, clientId?: string): Promise<void>
  close(): Promise<void>
}

/** Makes a {@link GroupOperator}; connects nothing until it is needed. */
export function createGroupOperator(kafka: Kafka): GroupOperator {
  let cluster: Cluster | undefined
  // A consumer that never runs: its assigner is the public way to kafkajs' connections, on which requests can be sent.
  const consumer = kafka.consumer({
    groupId: 'conformance-operator',
    partitionAssigners: [
      (config) => {
        cluster = config.cluster
        return kafkajs.PartitionAssigners.roundRobin(config)
      },
    ],
  })
  let connecting: Promise<void> | undefined

  return {
    async removeMembers(groupId, clientId) {
      await (connecting ??= consumer.connect())
      const coordinator = (await cluster!.findGroupCoordinator({ groupId })) as Coordinator
      const { groups } = await coordinator.describeGroups({ groupIds: [groupId] })
      for (const { memberId, clientId: of } of groups[0]!.members) {
        if (clientId === undefined || clientId === of) await coordinator.leaveGroup({ groupId, memberId })
      }
    },
    close: async () => {
      if (connecting !== undefined) await consumer.disconnect()
    },
  }
}

/** kafkajs has the methods, its types do not. */
type Coordinator = Broker & {
  describeGroups(request: { groupIds: string[] }): Promise<{
    groups: { members: { memberId: string; clientId: string }[] }[]
  }>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
}
