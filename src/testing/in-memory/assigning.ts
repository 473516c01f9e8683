import type { TopicPartition } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'

/** A member of a group, as what shares the partitions out sees it. */
export interface Claimant {
  readonly memberId: string
  readonly topics: readonly string[]
  /** What it has: it was given this last. */
  readonly owned: readonly TopicPartition[]
}

/** Who gets what, by member id; every member is in it. */
export type Shares = ReadonlyMap<string, readonly TopicPartition[]>

type PartitionCount = (topic: string) => number

/** Deals the partitions out in turn, whoever had them before. */
export function roundRobin(members: readonly Claimant[], partitionCount: PartitionCount): Shares {
  const order = inOrder(members)
  const shares = new Map<string, TopicPartition[]>(order.map(({ memberId }) => [memberId, []]))
  let turn = 0
  for (const { topic, partition } of partitionsOf(order, partitionCount)) {
    while (!order[turn % order.length]!.topics.includes(topic)) turn++
    shares.get(order[turn++ % order.length]!.memberId)!.push({ topic, partition })
  }
  return shares
}

/**
 * Lets each member keep what it has as far as balance allows, as the cooperative protocol does. What is to go from one member to another
 * neither of them gets in this generation: the first gives it back and joins again, and the next generation has it free.
 */
export function cooperative(members: readonly Claimant[], partitionCount: PartitionCount): Shares {
  const order = inOrder(members)
  const all = partitionsOf(order, partitionCount)
  const ownerOf = new Map<string, Claimant>()
  for (const member of order) for (const each of member.owned) ownerOf.set(formatPartition(each), member)
  const wanted = new Map<Claimant, TopicPartition[]>(order.map((member) => [member, []]))
  const readersOf = ({ topic }: TopicPartition): readonly Claimant[] =>
    order.filter(({ topics }) => topics.includes(topic)).toSorted((a, b) => loadOf(a) - loadOf(b))
  const loadOf = (member: Claimant): number => wanted.get(member)!.length

  for (const each of all) {
    const owner = ownerOf.get(formatPartition(each))
    if (owner?.topics.includes(each.topic)) wanted.get(owner)!.push(each)
  }
  for (const each of all) if (!ownerOf.has(formatPartition(each))) wanted.get(readersOf(each)[0]!)!.push(each)
  for (let moved = true; moved;) {
    moved = false
    for (const held of wanted.values()) {
      const going = held.findLast((each) => loadOf(readersOf(each)[0]!) < held.length - 1)
      if (going === undefined) continue
      held.splice(held.indexOf(going), 1)
      wanted.get(readersOf(going)[0]!)!.push(going)
      moved = true
    }
  }
  return new Map(
    order.map((member) => {
      const isFree = (each: TopicPartition): boolean => (ownerOf.get(formatPartition(each)) ?? member) === member
      return [member.memberId, wanted.get(member)!.filter(isFree)]
    }),
  )
}

function inOrder(members: readonly Claimant[]): readonly Claimant[] {
  return members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1))
}

function partitionsOf(members: readonly Claimant[], partitionCount: PartitionCount): readonly TopicPartition[] {
  const topics = [...new Set(members.flatMap((member) => member.topics))].toSorted()
  return topics.flatMap((topic) =>
    Array.from({ length: partitionCount(topic) }, (_, partition) => ({ topic, partition })),
  )
}
