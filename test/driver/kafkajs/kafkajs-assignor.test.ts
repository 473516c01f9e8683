import { EventEmitter } from 'node:events'
import type { Assigner, Cluster, Consumer, Logger as KafkajsLogger } from 'kafkajs'
import { AssignerProtocol, PartitionAssigners } from 'kafkajs'
import { expect, test } from 'vitest'
import { createKafkajsAssignor } from '../../../src/driver/kafkajs/kafkajs-assignor.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'

const groupId = 'shop'

/** One member's assignor on a cluster of which the test says what it knows (`counts`), and what it answers (`answers`). */
function setup(given: { counts?: Record<string, number>; answers?: Record<string, number> } = {}) {
  const { counts = {}, answers = {} } = given
  const events = new EventEmitter()
  const warnings: string[] = []
  const asked: string[][] = []
  const logger = {
    debug() {},
    info() {},
    warn: (fields: object, message: string) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
    error() {},
  }
  const numbered = (count: number) => Array.from({ length: count }, (_, partitionId) => ({ partitionId }))
  const coordinator = {
    metadata: async (topics: string[]) => {
      asked.push(topics)
      if (topics.some((topic) => answers[topic] === undefined)) {
        throw Object.assign(new Error('refused'), { name: 'KafkaJSProtocolError', type: 'UNKNOWN_TOPIC_OR_PARTITION' })
      }
      return { topicMetadata: topics.map((topic) => ({ topic, partitionMetadata: numbered(answers[topic]!) })) }
    },
  }
  const cluster = {
    findTopicPartitionMetadata: (topic: string) => numbered(counts[topic] ?? 0),
    findGroupCoordinator: async () => coordinator,
  } as unknown as Cluster
  const assignor = createKafkajsAssignor({ groupId, runtime: virtualRuntime(), logger })
  const [holdfast, roundRobin] = assignor.assigners.map((make) =>
    make({ cluster, groupId, logger: {} as KafkajsLogger }),
  ) as [Assigner, Assigner]
  assignor.follow({ on: events.on.bind(events) } as unknown as Consumer)
  return {
    holdfast,
    roundRobin,
    warnings,
    asked,
    counts,
    /** What it tells the group when it joins. */
    metadata: (topics: string[]): Buffer => holdfast.protocol({ topics }).metadata,
    joined: (memberAssignment: Record<string, number[]>, groupProtocol = 'holdfast') =>
      events.emit('consumer.group_join', { payload: { memberAssignment, groupProtocol } }),
    heartbeat: (groupGenerationId: number) => events.emit('consumer.heartbeat', { payload: { groupGenerationId } }),
    receivedUnsubscribed: (topicsNotSubscribed: string[]) =>
      events.emit('consumer.received_unsubscribed_topics', { payload: { topicsNotSubscribed } }),
  }
}

/** What a leader of the given own topics assigns. */
async function assigned(leader: Assigner, topics: string[], members: Record<string, Buffer>) {
  const given = await leader.assign({
    topics,
    members: Object.entries(members).map(([memberId, memberMetadata]) => ({ memberId, memberMetadata })),
  })
  return Object.fromEntries(
    given.map(({ memberId, memberAssignment }) => [
      memberId,
      { ...AssignerProtocol.MemberAssignment.decode(memberAssignment)!.assignment },
    ]),
  )
}

test('offers holdfast first and then the one that every kafkajs member has, under its name', () => {
  const { holdfast, roundRobin } = setup()
  const theirs = PartitionAssigners.roundRobin({ cluster: {} as Cluster, groupId, logger: {} as KafkajsLogger })
  expect([holdfast.name, roundRobin.name]).toEqual(['holdfast', theirs.name])
  expect([holdfast, roundRobin].map((each) => each.protocol({ topics: ['a'] }).name)).toEqual([
    'holdfast',
    'RoundRobinAssigner',
  ])
})

test('a member tells what it owned, so that another one, which leads next, leaves it there', async () => {
  const [leader, one, other] = [setup({ counts: { a: 4 } }), setup(), setup()]
  one.joined({ a: [1, 3] })
  other.joined({ a: [0, 2] })
  const members = { one: one.metadata(['a']), other: other.metadata(['a']) }
  expect(await assigned(leader.holdfast, ['a'], members)).toEqual({ one: { a: [1, 3] }, other: { a: [0, 2] } })
})

test('of two that claim the same, the one whose heartbeat was confirmed in a later generation keeps it', async () => {
  const [leader, zombie, owner] = [setup({ counts: { a: 4 } }), setup(), setup()]
  zombie.joined({ a: [0, 1, 2, 3] })
  zombie.heartbeat(3)
  owner.joined({ a: [0, 1] })
  owner.heartbeat(4)
  const members = { 'a-zombie': zombie.metadata(['a']), owner: owner.metadata(['a']) }
  expect(await assigned(leader.holdfast, ['a'], members)).toEqual({ 'a-zombie': { a: [2, 3] }, owner: { a: [0, 1] } })
})

test('tells the same until it is assigned anew, since each fetcher of kafkajs joins by itself and a join that differs begins another rebalance', () => {
  const member = setup({ counts: { a: 4 } })
  member.joined({ a: [0] })
  member.heartbeat(3)
  const told = member.metadata(['a'])
  member.heartbeat(4)
  expect(member.metadata(['a'])).toEqual(told)
  member.joined({ a: [0] })
  expect(member.metadata(['a'])).not.toEqual(told)
})

test('a topic that has grown changes what its reader tells, so that the group rebalances though its leader reads other topics', () => {
  const member = setup({ counts: { a: 4 } })
  const told = member.metadata(['a'])
  member.counts['a'] = 5
  expect(member.metadata(['a'])).not.toEqual(told)
})

test('a leader asks for the topics that others read, which kafkajs has not asked for', async () => {
  const leader = setup({ counts: { a: 1 }, answers: { b: 2 } })
  const members = { one: leader.metadata(['a']), other: setup().metadata(['b']) }
  expect(await assigned(leader.holdfast, ['a'], members)).toEqual({ one: { a: [0] }, other: { b: [0, 1] } })
  expect(leader.asked).toEqual([['b']])
})

test('where the leader may not know a topic its reader’s word counts; where nobody knows, it warns and shares out the rest', async () => {
  const leader = setup({ counts: { a: 1 }, answers: { b: 1 } })
  const members = {
    one: leader.metadata(['a']),
    other: setup({ counts: { secret: 2 } }).metadata(['b', 'secret', 'deleted']),
  }
  expect(await assigned(leader.holdfast, ['a'], members)).toEqual({
    one: { a: [0] },
    other: { b: [0], secret: [0, 1] },
  })
  expect(leader.warnings).toEqual([
    'nobody is assigned a topic whose partitions are not known ' +
      '{"groupId":"shop","topic":"deleted","error":"UNKNOWN_TOPIC_OR_PARTITION"}',
  ])
})

test('a member that writes what cannot be read gets nothing, and the others all the same', async () => {
  const leader = setup({ counts: { a: 2 } })
  const members = { broken: Buffer.from([0, 0, 0, 0, 0, 9, 1]), one: leader.metadata(['a']) }
  expect(await assigned(leader.holdfast, ['a'], members)).toEqual({ broken: {}, one: { a: [0, 1] } })
  expect(leader.warnings).toHaveLength(1)
})

test('user data that is not ours is no reason to refuse a member', async () => {
  const leader = setup({ counts: { a: 2 } })
  const theirs = (userData: Buffer) => AssignerProtocol.MemberMetadata.encode({ version: 1, topics: ['a'], userData })
  const members = { m1: theirs(Buffer.from('sticky')), m2: theirs(Buffer.alloc(0)) }
  expect(await assigned(leader.holdfast, ['a'], members)).toEqual({ m1: { a: [0] }, m2: { a: [1] } })
})

test('leads bare members too without giving them what they do not read', async () => {
  const leader = setup({ counts: { a: 2 }, answers: { b: 1 } })
  const bare = PartitionAssigners.roundRobin({ cluster: {} as Cluster, groupId, logger: {} as KafkajsLogger })
  const members = { ours: leader.metadata(['a']), theirs: bare.protocol({ topics: ['b'] }).metadata }
  expect(await assigned(leader.roundRobin, ['a'], members)).toEqual({ ours: { a: [0, 1] }, theirs: { b: [0] } })
})

test('a topic named like a property of every object is a topic', async () => {
  const leader = setup({ counts: { constructor: 1, __proto: 1 } })
  leader.joined({})
  const members = { one: leader.metadata(['constructor', '__proto']) }
  expect(await assigned(leader.holdfast, ['constructor', '__proto'], members)).toEqual({
    one: { constructor: [0], __proto: [0] },
  })
})

test('warns once when a member without Holdfast comes, and whenever a bare leader assigns what is not read here', () => {
  const member = setup()
  member.joined({ a: [0] })
  expect(member.warnings).toEqual([])
  member.joined({ a: [0] }, 'RoundRobinAssigner')
  member.joined({ a: [0] }, 'RoundRobinAssigner')
  expect(member.warnings).toHaveLength(1)
  expect(member.warnings[0]).toContain('all members must read the same topics')
  member.receivedUnsubscribed(['b'])
  expect(member.warnings[1]).toContain('nobody reads these partitions {"groupId":"shop","topics":["b"]}')
  member.joined({ a: [0] })
  member.joined({ a: [0] }, 'RoundRobinAssigner')
  expect(member.warnings).toHaveLength(3)
})
