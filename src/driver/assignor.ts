import { formatPartition, sourceOfRetryTopic } from '../record/index.ts'

/** A member of a group as the one that shares the partitions out sees it. */
export interface GroupMember {
  readonly id: string
  readonly topics: readonly string[]
  /** What it was assigned last, partition numbers by topic; empty for a newcomer. */
  readonly owned: ReadonlyMap<string, readonly number[]>
  /** The generation of the group in which it got them: of two members that claim a partition, the newer one had it last. */
  readonly generation: number
}

/** What is shared out, and among whom. */
export interface AssignmentRequest {
  readonly groupId: string
  readonly members: readonly GroupMember[]
  /** How many partitions each topic has; one that is not in here is given to nobody. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

/** Partition numbers, ascending, by topic, by member. Every member is in it. */
export type GroupAssignment = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>

/**
 * Shares the partitions of a group's topics out among its members. Pure, and the same whatever the order of its arguments.
 *
 * - Every partition goes to exactly one member, one that reads its topic.
 * - Partition *p* of a topic and of its retry topics go to one member, so that one process orders a key across them. While only
 *   some members read all of these topics (a rolling deployment that adds a retry topic) they go to those.
 * - What goes together counts once. No member has two more than another that could take one of them, so members with equal topics
 *   differ by at most 1, over all topics together; of each topic they get as even a share as that allows.
 * - What a member owned it keeps, unless balance takes it away: one that joins gets its share and nothing else moves, of one
 *   that leaves only its own share moves.
 *
 * @see docs/decisions/0009-assignor.md
 */
export function assignPartitions(request: AssignmentRequest): GroupAssignment {
  const shares = request.members.map(createShare).sort((a, b) => compare(a.member.id, b.member.id))
  const lastOwner = lastOwners(shares)
  const unowned: Unit[] = []
  for (const kind of kindsOf(request, shares)) {
    for (const partition of kind.partitions) {
      const owner = kind.topics.map((topic) => lastOwner.get(formatPartition({ topic, partition }))).find(isShare)
      if (owner !== undefined && kind.readers.has(owner)) give(owner, kind, partition)
      else unowned.push({ kind, partition })
    }
  }
  // The choosy first: what only few can take must not find them laden with what anybody could have taken.
  unowned.sort((a, b) => a.kind.readers.size - b.kind.readers.size)
  for (const { kind, partition } of unowned) give(leastLaden(kind), kind, partition)
  balance(shares)
  return new Map(shares.map(({ member, held }) => [member.id, partitionsByTopic(held)]))
}

/** A set of topics of which the same partition number goes to one member, and the numbers for which it is this set. */
interface Kind {
  readonly topics: readonly string[]
  readonly readers: ReadonlySet<Share>
  readonly partitions: number[]
}

/** What goes to one member as a whole. */
interface Unit {
  readonly kind: Kind
  readonly partition: number
}

/** What a member gets. */
interface Share {
  readonly member: GroupMember
  readonly topics: ReadonlySet<string>
  readonly held: Map<Kind, number[]>
  /** How many units it holds. */
  load: number
}

function createShare(member: GroupMember): Share {
  return { member, topics: new Set(member.topics), held: new Map(), load: 0 }
}

const isShare = (share: Share | undefined): share is Share => share !== undefined

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Who had each partition last. A zombie that comes back still claims what others have been given since. */
function lastOwners(shares: readonly Share[]): ReadonlyMap<string, Share> {
  const owners = new Map<string, Share>()
  for (const share of shares) {
    for (const [topic, partitions] of share.member.owned) {
      for (const partition of partitions) {
        const key = formatPartition({ topic, partition })
        const other = owners.get(key)
        if (other === undefined || other.member.generation < share.member.generation) owners.set(key, share)
      }
    }
  }
  return owners
}

function kindsOf({ groupId, partitionCounts }: AssignmentRequest, shares: readonly Share[]): readonly Kind[] {
  const families = new Map<string, string[]>()
  for (const topic of [...new Set(shares.flatMap(({ topics }) => [...topics]))].sort(compare)) {
    const source = sourceOfRetryTopic(topic, groupId) ?? topic
    families.set(source, [...(families.get(source) ?? []), topic])
  }
  const kinds = new Map<string, Kind>()
  for (const family of families.values()) {
    const ends = new Set(family.map((topic) => partitionCounts.get(topic) ?? 0))
    let partition = 0
    for (const end of [...ends].sort((a, b) => a - b)) {
      const there = family.filter((topic) => (partitionCounts.get(topic) ?? 0) >= end)
      const split = partition < end ? kindsTogether(there, shares, kinds) : []
      for (; partition < end; partition++) for (const kind of split) kind.partitions.push(partition)
    }
  }
  return [...kinds.values()]
}

/** All of the topics as one, if a member reads them all; else the most that a member reads, and the rest likewise. */
function kindsTogether(topics: readonly string[], shares: readonly Share[], kinds: Map<string, Kind>): readonly Kind[] {
  const found: Kind[] = []
  for (let rest = topics; rest.length > 0;) {
    let most: readonly string[] = []
    for (const share of shares) {
      const read = rest.filter((topic) => share.topics.has(topic))
      if (read.length > most.length) most = read
    }
    const key = most.join()
    let kind = kinds.get(key)
    if (kind === undefined) {
      const together = most
      const readers = new Set(shares.filter((share) => together.every((topic) => share.topics.has(topic))))
      kind = { topics: together, readers, partitions: [] }
      kinds.set(key, kind)
    }
    found.push(kind)
    rest = rest.filter((topic) => !most.includes(topic))
  }
  return found
}

function give(share: Share, kind: Kind, partition: number): void {
  const held = share.held.get(kind)
  if (held === undefined) share.held.set(kind, [partition])
  else held.push(partition)
  share.load++
}

const countOf = (share: Share, kind: Kind): number => share.held.get(kind)?.length ?? 0

function leastLaden(kind: Kind): Share {
  let least: Share | undefined
  for (const share of kind.readers) {
    const lighter = least === undefined ? -1 : share.load - least.load || countOf(share, kind) - countOf(least, kind)
    if (lighter < 0) least = share
  }
  return least!
}

/** Moves one unit after the other from a member to one with at least two less, until there is none. Each move evens the loads out. */
function balance(shares: readonly Share[]): void {
  for (let move = nextMove(shares); move !== undefined; move = nextMove(shares)) {
    const { from, to, kind } = move
    const partition = from.held.get(kind)!.pop()!
    from.load--
    give(to, kind, partition)
  }
}

interface Move {
  readonly from: Share
  readonly to: Share
  readonly kind: Kind
}

function nextMove(shares: readonly Share[]): Move | undefined {
  const rising = [...shares].sort((a, b) => a.load - b.load)
  const falling = [...rising].reverse()
  for (const from of falling) {
    for (const to of rising) {
      if (to.load > from.load - 2) break
      const kind = mostUneven(from, to)
      if (kind !== undefined) return { from, to, kind }
    }
  }
  return undefined
}

/** Of what the one can give to the other: that of which it has the most in comparison, so that each topic stays spread out. */
function mostUneven(from: Share, to: Share): Kind | undefined {
  let best: Kind | undefined
  let bestLead = -Infinity
  for (const [kind, { length }] of from.held) {
    const lead = length - countOf(to, kind)
    if (length === 0 || lead <= bestLead || !kind.readers.has(to)) continue
    best = kind
    bestLead = lead
  }
  return best
}

function partitionsByTopic(held: Share['held']): ReadonlyMap<string, readonly number[]> {
  const topics = new Map<string, number[]>()
  for (const [kind, partitions] of held) {
    for (const topic of kind.topics) topics.set(topic, [...(topics.get(topic) ?? []), ...partitions])
  }
  for (const [topic, partitions] of topics) {
    if (partitions.length === 0) topics.delete(topic)
    else partitions.sort((a, b) => a - b)
  }
  return topics
}
