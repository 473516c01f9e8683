import fc from 'fast-check'
import { PartitionAssigners, AssignerProtocol } from 'kafkajs'
import type { Cluster, Logger } from 'kafkajs'
import { expect, test } from 'vitest'
import type { GroupAssignment, GroupMember } from '../../src/driver/assignor.ts'
import { assignPartitions } from '../../src/driver/assignor.ts'
import { retryTopicName } from '../../src/record/index.ts'

const groupId = 'shop'
const RETRY = retryTopicName('a', groupId, '5s')
const LATER = retryTopicName('a', groupId, '1m')

const newcomer = (id: string, topics: readonly string[]): GroupMember => {
  return { id, topics, owned: new Map(), generation: -1 }
}

const assign = (members: readonly GroupMember[], counts: Record<string, number>): GroupAssignment =>
  assignPartitions({ groupId, members, partitionCounts: new Map(Object.entries(counts)) })

const plain = (assignment: GroupAssignment): Record<string, Record<string, readonly number[]>> =>
  Object.fromEntries([...assignment].map(([id, topics]) => [id, Object.fromEntries(topics)]))

/** `topic[p]` to the members that have it. */
const holders = (assignment: GroupAssignment): Map<string, string[]> => {
  const found = new Map<string, string[]>()
  for (const [id, topics] of assignment) {
    for (const [topic, partitions] of topics) {
      for (const partition of partitions) {
        const key = `${topic}[${partition}]`
        found.set(key, [...(found.get(key) ?? []), id])
      }
    }
  }
  return found
}

/** The members as they come to the next rebalance. */
const settle = (members: readonly GroupMember[], assignment: GroupAssignment, generation: number): GroupMember[] =>
  members.map((member) => ({ ...member, owned: assignment.get(member.id)!, generation }))

const total = (assignment: GroupAssignment, id: string): number =>
  [...assignment.get(id)!.values()].reduce((sum, { length }) => sum + length, 0)

const moves = (before: GroupAssignment, after: GroupAssignment): string[] => {
  const held = holders(after)
  return [...holders(before)].filter(([key, [owner]]) => held.get(key)![0] !== owner).map(([key]) => key)
}

const TOPICS = ['a', 'b', 'c', 'd']
const WITH_RETRIES = [...TOPICS, RETRY, LATER]
const countsOf = (topics: readonly string[]) => fc.record(Object.fromEntries(topics.map((t) => [t, fc.nat(12)])))

/** Members with topics of their own each, and with claims that may be true, stale, contradictory or nonsense. */
const membersOf = (topics: readonly string[], max = 7): fc.Arbitrary<GroupMember[]> =>
  fc.uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-h]{1,6}$/),
      topics: fc.subarray([...topics], { minLength: 1 }),
      generation: fc.integer({ min: -1, max: 3 }),
      owned: fc
        .array(fc.tuple(fc.constantFrom(...topics, 'gone'), fc.array(fc.nat(14), { maxLength: 10 })))
        .map((entries) => new Map(entries)),
    }),
    { selector: ({ id }) => id, minLength: 1, maxLength: max },
  )
/** Members with equal topics, and no claims. */
const equals = (topics: readonly string[]) =>
  fc
    .uniqueArray(fc.stringMatching(/^[a-h]{1,6}$/), { minLength: 1, maxLength: 8 })
    .map((ids) => ids.map((id) => newcomer(id, topics)))

test('kafkajs’ round robin gives members partitions of topics that they do not read, and some of a topic to nobody: why there is ours', async () => {
  const cluster = {
    findTopicPartitionMetadata: () => [{ partitionId: 0 }, { partitionId: 1 }],
  } as unknown as Cluster
  const leader = PartitionAssigners.roundRobin({ cluster, groupId, logger: {} as Logger })
  const members = [newcomer('m1', ['a']), newcomer('m2', ['b'])]
  const told = members.map(({ id, topics }) => ({
    memberId: id,
    memberMetadata: leader.protocol({ topics: [...topics] }).metadata,
  }))
  const bare = await leader.assign({ members: told, topics: ['a'] })

  expect(
    bare.map(({ memberId, memberAssignment }) => [
      memberId,
      AssignerProtocol.MemberAssignment.decode(memberAssignment)!.assignment,
    ]),
    'm2 reads b alone, and b is read by nobody',
  ).toEqual([
    ['m1', { a: [0] }],
    ['m2', { a: [1] }],
  ])
  expect(plain(assign(members, { a: 2, b: 2 }))).toEqual({ m1: { a: [0, 1] }, m2: { b: [0, 1] } })
})

test('gives every partition of every topic that is read to exactly one member, one that reads it', () => {
  fc.assert(
    fc.property(membersOf(WITH_RETRIES), countsOf(WITH_RETRIES), (members, counts) => {
      const assignment = assign(members, counts)
      const read = new Set(members.flatMap(({ topics }) => topics))
      const expected = [...read].flatMap((topic) => Array.from({ length: counts[topic]! }, (_, p) => `${topic}[${p}]`))
      const held = holders(assignment)
      expect([...held.keys()].toSorted()).toEqual(expected.toSorted())
      expect([...held.values()].filter(({ length }) => length !== 1)).toEqual([])
      expect([...assignment.keys()].toSorted()).toEqual(members.map(({ id }) => id).toSorted())
      for (const { id, topics } of members) {
        expect([...assignment.get(id)!.keys()].filter((topic) => !topics.includes(topic))).toEqual([])
      }
    }),
  )
})

test('no member has two more than another that could take one of them, so that members with equal topics differ by at most 1', () => {
  fc.assert(
    fc.property(membersOf(TOPICS), countsOf(TOPICS), (members, counts) => {
      const assignment = assign(members, counts)
      for (const heavy of members) {
        for (const light of members) {
          if (total(assignment, heavy.id) < total(assignment, light.id) + 2) continue
          const takes = [...assignment.get(heavy.id)!.keys()].filter((topic) => light.topics.includes(topic))
          expect(takes, `${light.id} could take from ${heavy.id}`).toEqual([])
        }
      }
    }),
  )
})

test('newcomers with equal topics share each topic evenly too, so that one busy topic does not fall to one member', () => {
  fc.assert(
    fc.property(equals(TOPICS), countsOf(TOPICS), (members, counts) => {
      const assignment = assign(members, counts)
      for (const topic of TOPICS) {
        const shares = members.map(({ id }) => assignment.get(id)!.get(topic)?.length ?? 0)
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      }
    }),
  )
  const six = Object.fromEntries(['t1', 't2', 't3', 't4', 't5', 't6'].map((topic) => [topic, 1]))
  const spread = assign([newcomer('m1', Object.keys(six)), newcomer('m2', Object.keys(six))], six)
  expect([total(spread, 'm1'), total(spread, 'm2')], 'not partition 0 of every topic to the first').toEqual([3, 3])
})

test('a topic’s partition and those of its retry topics go to one member, so that one process orders a key across them', () => {
  fc.assert(
    fc.property(membersOf(WITH_RETRIES), countsOf(WITH_RETRIES), (members, counts) => {
      const held = holders(assign(members, counts))
      const family = ['a', RETRY, LATER].filter((topic) => members.some(({ topics }) => topics.includes(topic)))
      for (let partition = 0; partition < 12; partition++) {
        const there = family.filter((topic) => counts[topic]! > partition)
        if (!members.some(({ topics }) => there.every((topic) => topics.includes(topic)))) continue
        expect(new Set(there.map((topic) => held.get(`${topic}[${partition}]`)![0])).size).toBeLessThanOrEqual(1)
      }
    }),
  )
})

test('what goes together counts once; what a retry topic has beyond its source is spread', () => {
  fc.assert(
    fc.property(equals(['a', 'b', RETRY]), countsOf(['a', 'b', RETRY]), (members, counts) => {
      const assignment = assign(members, counts)
      const units = members.map(({ id }) => {
        const mine = assignment.get(id)!
        return new Set([...(mine.get('a') ?? []), ...(mine.get(RETRY) ?? [])]).size + (mine.get('b')?.length ?? 0)
      })
      expect(Math.max(...units) - Math.min(...units)).toBeLessThanOrEqual(1)
    }),
  )
  expect(plain(assign([newcomer('m1', ['a', RETRY]), newcomer('m2', ['a', RETRY])], { a: 2, [RETRY]: 6 }))).toEqual({
    m1: { a: [0], [RETRY]: [0, 2, 4] },
    m2: { a: [1], [RETRY]: [1, 3, 5] },
  })
})

test('while only some members read the retry topic, they get both: an old one beside them would break the order of a key', () => {
  const members = [newcomer('new', ['a', RETRY]), newcomer('old', ['a', 'b'])]
  expect(plain(assign(members, { a: 2, b: 2, [RETRY]: 1 }))).toEqual({
    new: { a: [0, 1], [RETRY]: [0] },
    old: { b: [0, 1] },
  })
})

test('a retry topic of another group is a topic like any other', () => {
  const foreign = retryTopicName('a', 'other', '5s')
  const members = [newcomer('m1', ['a', foreign]), newcomer('m2', ['a'])]
  expect(plain(assign(members, { a: 1, [foreign]: 1 }))).toEqual({ m1: { [foreign]: [0] }, m2: { a: [0] } })
})

test('is the same whatever the order of members, topics and claims, so that it does not depend on who leads', () => {
  fc.assert(
    fc.property(
      membersOf(WITH_RETRIES),
      countsOf(WITH_RETRIES),
      fc.infiniteStream(fc.nat()),
      (members, counts, chance) => {
        const shuffled = <T>(list: readonly T[]): T[] =>
          list
            .map((each) => [chance.next().value as number, each] as const)
            .toSorted(([one], [other]) => one - other)
            .map(([, each]) => each)
        const others = shuffled(members).map((member) => ({
          ...member,
          topics: shuffled(member.topics),
          owned: new Map(shuffled([...member.owned].map(([topic, list]) => [topic, shuffled(list)] as const))),
        }))
        const reordered = Object.fromEntries(shuffled(Object.entries(counts)))
        expect(plain(assign(others, reordered))).toEqual(plain(assign(members, counts)))
      },
    ),
  )
})

test('of each topic the newcomer gets an even part, so that one busy topic does not stay with its old member', () => {
  const members = [newcomer('m1', ['a', 'b', 'c'])]
  const counts = { a: 4, b: 4, c: 4 }
  const after = assign([...settle(members, assign(members, counts), 5), newcomer('m2', ['a', 'b', 'c'])], counts)
  expect(['a', 'b', 'c'].map((topic) => after.get('m2')!.get(topic)?.length)).toEqual([2, 2, 2])
})

test('what only few can take is given out first, so that they are not laden already with what anybody could have taken', () => {
  const members = [newcomer('m0', ['c']), newcomer('m1', ['a', 'c']), newcomer('m2', ['a', 'c', 'd'])]
  const assignment = assign(members, { a: 6, c: 5, d: 4 })
  expect(members.map(({ id }) => total(assignment, id))).toEqual([5, 5, 5])
})

test('moves nothing while nobody comes or goes', () => {
  fc.assert(
    fc.property(membersOf(WITH_RETRIES), countsOf(WITH_RETRIES), (members, counts) => {
      const before = assign(members, counts)
      expect(plain(assign(settle(members, before, 5), counts))).toEqual(plain(before))
    }),
  )
})

test('one that joins gets its share and nothing else moves: at most partitions ÷ members, rounded up', () => {
  fc.assert(
    fc.property(equals(TOPICS), countsOf(TOPICS), fc.constantFrom('0', 'd', 'z'), (members, counts, id) => {
      const before = assign(members, counts)
      const joiner = newcomer(`${id}-joins`, TOPICS)
      const after = assign([...settle(members, before, 5), joiner], counts)
      const moved = moves(before, after)
      const partitions = TOPICS.reduce((sum, topic) => sum + counts[topic]!, 0)
      expect(moved.length).toBeLessThanOrEqual(Math.ceil(partitions / members.length))
      expect(moved).toHaveLength(Math.floor(partitions / (members.length + 1)))
      expect(moved).toHaveLength(total(after, joiner.id))
    }),
  )
})

test('of one that leaves only its own share moves', () => {
  fc.assert(
    fc.property(equals(TOPICS), countsOf(TOPICS), fc.nat(), (members, counts, choice) => {
      fc.pre(members.length > 1)
      const before = assign(members, counts)
      const leaver = members[choice % members.length]!.id
      const after = assign(
        settle(members, before, 5).filter(({ id }) => id !== leaver),
        counts,
      )
      expect(moves(before, after).filter((key) => holders(before).get(key)![0] !== leaver)).toEqual([])
    }),
  )
})

test('with retry topics a join moves no more either, counted in what goes together', () => {
  fc.assert(
    fc.property(equals(['a', RETRY]), fc.nat(20), (members, count) => {
      const counts = { a: count, [RETRY]: count }
      const before = assign(members, counts)
      const after = assign([...settle(members, before, 5), newcomer('i-joins', ['a', RETRY])], counts)
      expect(moves(before, after)).toHaveLength(2 * Math.floor(count / (members.length + 1)))
    }),
  )
})

test('new partitions of a topic go to where there is room, and the old ones stay', () => {
  const members = [newcomer('m1', ['a']), newcomer('m2', ['a']), newcomer('m3', ['a'])]
  const before = assign(members, { a: 4 })
  const after = assign(settle(members, before, 5), { a: 6 })
  expect(moves(before, after)).toEqual([])
  expect(members.map(({ id }) => total(after, id))).toEqual([2, 2, 2])
})

test('a new partition goes to the one of two equally laden members that has less of its topic', () => {
  const members = [
    { ...newcomer('m1', ['a', 'b']), owned: new Map([['a', [0, 1]]]) },
    { ...newcomer('m2', ['a', 'b']), owned: new Map([['b', [0, 1]]]) },
  ]
  expect(plain(assign(members, { a: 3, b: 2 }))).toEqual({ m1: { a: [0, 1] }, m2: { a: [2], b: [0, 1] } })
})

test('of two that claim a partition the newer had it last: a zombie that returns takes nothing back', () => {
  const claim = (id: string, generation: number, partitions: readonly number[]): GroupMember => {
    return { id, topics: ['a'], owned: new Map([['a', partitions]]), generation }
  }
  const members = [claim('m1-zombie', 3, [0, 1, 2, 3]), claim('m2', 4, [0, 1]), claim('m3', 4, [2, 3])]
  expect(plain(assign(members, { a: 6 }))).toEqual({
    'm1-zombie': { a: [4, 5] },
    m2: { a: [0, 1] },
    m3: { a: [2, 3] },
  })
})

test('shares 10,000 partitions out among 200 members in well under a rebalance, also when one half of them is new', () => {
  const topics = Array.from({ length: 10 }, (_, i) => `t${i}`)
  const counts = Object.fromEntries(topics.map((topic) => [topic, 1_000]))
  const members = Array.from({ length: 200 }, (_, i) => newcomer(`m${i}`, topics))
  const half = members.slice(0, 100)
  const before = assign(half, counts)
  const after = assign([...settle(half, before, 5), ...members.slice(100)], counts)
  expect(members.map(({ id }) => total(after, id)).every((count) => count === 50)).toBe(true)
  expect(moves(before, after)).toHaveLength(5_000)
})
