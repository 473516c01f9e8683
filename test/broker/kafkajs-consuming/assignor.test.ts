import { AssignerProtocol } from 'kafkajs'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Logger } from '../../../src/logger/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import { deferred } from '../../../src/testing/deferred.ts'
import { runBare } from './bare.ts'
import { hurryKafkajs } from './group.ts'
import type { Member, World } from './member.ts'
import { createMember, createWorld } from './member.ts'

/** Another topic beside the world's own. */
async function secondTopic({ admin, topic }: World, numPartitions: number): Promise<string> {
  const second = `${topic}-second`
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic: second, numPartitions }] })
  await vi.waitFor(() => admin.fetchTopicMetadata({ topics: [second] }), { timeout: 10_000 }) // kafkajs' own wait gives up at once on a slow broker
  return second
}

/** How the group shares its partitions out, and what each member was assigned, as its leader told the broker. */
async function describeGroup({ admin, groupId }: World) {
  const [group] = (await admin.describeGroups([groupId])).groups
  const assigned = group!.members.map(({ memberAssignment }) => ({
    ...AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment,
  }))
  return { protocol: group!.protocol, assigned }
}

const partitionsOf = (member: Member): string[] =>
  member
    .owned()
    .map(({ topic, partition }) => `${topic}[${partition}]`)
    .toSorted()

const hasOnly = (member: Member, topic: string, count: number): boolean =>
  member.owned().length === count && member.owned().every((each) => each.topic === topic)

/** A logger that keeps its warnings. */
function listening(): { readonly logger: Logger; readonly warnings: string[] } {
  const warnings: string[] = []
  return { logger: { ...silentLogger, warn: (_, message) => void warnings.push(message) }, warnings }
}

test('bare kafkajs assigns topics to members that do not read them, and another topic to nobody: the defect that ours is for', async () => {
  const world = await createWorld({ partitions: 2 })
  const second = await secondTopic(world, 2)
  await runBare(world, { eachMessage: async () => {} })
  const other = world.kafka.consumer({ groupId: world.groupId, heartbeatInterval: 300, maxWaitTimeInMs: 250 })
  onTestFinished(() => other.disconnect())
  const joined = deferred<Record<string, number[]>>()
  other.on('consumer.group_join', ({ payload }) => joined.resolve({ ...payload.memberAssignment }))
  await other.connect()
  await other.subscribe({ topic: second, fromBeginning: true })
  await other.run({ eachMessage: async () => {} })

  expect(await joined.promise, 'it reads the second topic and may read nothing of it').toEqual({})
  const { assigned } = await describeGroup(world)
  expect(assigned.map((topics) => Object.keys(topics))).toEqual([[world.topic], [world.topic]])
})

test('two members of a group with a topic of their own each read all of it and nothing else, whoever of them leads', async () => {
  const world = await createWorld({ partitions: 2 })
  const second = await secondTopic(world, 3)
  const [one, other] = [
    await createMember({ ...world, topics: [world.topic] }),
    await createMember({ ...world, topics: [second] }),
  ]
  await one.start()
  await other.start()
  await Promise.all([one.until(() => hasOnly(one, world.topic, 2)), other.until(() => hasOnly(other, second, 3))])
  await world.producer.send({ topic: second, messages: [0, 1, 2].map((p) => ({ partition: p, value: `second-${p}` })) })
  await world.send(1, 'first')
  await Promise.all([one.until(() => one.records().length > 0), other.until(() => other.records().length === 3)])

  expect(one.values()).toEqual(['first'])
  expect(other.values().toSorted()).toEqual(['second-0', 'second-1', 'second-2'])
  expect((await describeGroup(world)).protocol).toBe('holdfast')
})

test('new partitions of a topic are found by the member that reads it, though the leader of the group does not', async () => {
  const world = await createWorld({ partitions: 1 })
  const second = await secondTopic(world, 1)
  const leader = await createMember({ ...world, topics: [world.topic] })
  await leader.start()
  await leader.until(() => leader.epoch() === 1)
  const reader = await createMember({ ...world, topics: [second] })
  await reader.start()
  await reader.until(() => hasOnly(reader, second, 1))
  await world.admin.createPartitions({ topicPartitions: [{ topic: second, count: 3 }] })
  hurryKafkajs(60_000)
  await reader.until(() => hasOnly(reader, second, 3))

  expect(partitionsOf(leader)).toEqual([`${world.topic}[0]`])
})

test('partitions stay where they were when members join and leave, so that what is cached for them stays useful', async () => {
  const world = await createWorld({ partitions: 7 })
  const second = await secondTopic(world, 5)
  const topics = [world.topic, second]
  const members: Member[] = []
  const join = async (): Promise<void> => {
    const epochs = members.map((member) => member.epoch())
    const member = await createMember({ ...world, topics })
    await member.start()
    await Promise.all([
      member.until(() => member.epoch() === 1),
      ...members.map((each, i) => each.until(() => each.epoch() > epochs[i]!)),
    ])
    members.push(member)
  }
  const share = (): string[][] => members.map(partitionsOf)

  await join()
  await join()
  const [two0, two1] = share() as [string[], string[]]
  expect([two0.length, two1.length]).toEqual([6, 6])
  await join()
  const [three0, three1, three2] = share() as [string[], string[], string[]]
  expect([three0.length, three1.length, three2.length]).toEqual([4, 4, 4])
  expect(two0).toEqual(expect.arrayContaining(three0))
  expect(two1).toEqual(expect.arrayContaining(three1))

  const [first, gone, last] = members as [Member, Member, Member]
  const epochs = [first.epoch(), last.epoch()] as const
  await gone.consumer.stop()
  await Promise.all([first.until(() => first.epoch() > epochs[0]), last.until(() => last.epoch() > epochs[1])])
  expect([first.owned().length, last.owned().length]).toEqual([6, 6])
  expect(partitionsOf(first)).toEqual(expect.arrayContaining(three0))
  expect(partitionsOf(last)).toEqual(expect.arrayContaining(three2))
})

test('a bare kafkajs member can come in and go: the group takes the assignor that all have, and then ours again', async () => {
  const world = await createWorld({ partitions: 4 })
  const { logger, warnings } = listening()
  const [one, other] = [
    await createMember({ ...world, topics: [world.topic], options: { logger } }),
    await createMember({ ...world, topics: [world.topic] }),
  ]
  await Promise.all([one.start(), other.start()])
  await Promise.all([one, other].map((member) => member.until(() => member.owned().length === 2)))
  expect((await describeGroup(world)).protocol).toBe('holdfast')

  const alone = [one.epoch(), other.epoch()] as const
  const bare = await runBare(world, { eachMessage: async () => {} })
  await Promise.all([one.until(() => one.epoch() > alone[0]), other.until(() => other.epoch() > alone[1])])
  expect((await describeGroup(world)).protocol).toBe('RoundRobinAssigner')
  expect(warnings.filter((message) => message.includes('without Holdfast'))).toHaveLength(1)

  const mixed = [one.epoch(), other.epoch()] as const
  await bare.stop()
  await Promise.all([one.until(() => one.epoch() > mixed[0]), other.until(() => other.epoch() > mixed[1])])
  expect([one.owned().length, other.owned().length]).toEqual([2, 2])
  expect((await describeGroup(world)).protocol).toBe('holdfast')
  expect([...one.heard, ...other.heard].filter(({ kind }) => kind === 'crash' || kind === 'lost')).toEqual([])
})

test('given partitions of a topic that it does not read by a bare leader, a member warns, reads none of them, and is well once that has left', async () => {
  const world = await createWorld({ partitions: 2 })
  const second = await secondTopic(world, 2)
  const bare = await runBare(world, { eachMessage: async () => {} })
  const { logger, warnings } = listening()
  const member = await createMember({ ...world, topics: [second], options: { logger } })
  await member.start()
  await member.until(() => member.heard.some(({ kind }) => kind === 'assigned'))
  expect(member.owned()).toEqual([])
  expect(warnings.filter((message) => message.includes('nobody reads these partitions'))).toHaveLength(1)
  await world.send(0, 'not-ours')
  await world.send(1, 'not-ours')
  await world.producer.send({ topic: second, messages: [{ partition: 1, value: 'ours' }] })

  await bare.stop()
  await member.until(() => member.records().length > 0)
  expect(member.values()).toEqual(['ours'])
  expect(partitionsOf(member)).toEqual([`${second}[0]`, `${second}[1]`])
})
