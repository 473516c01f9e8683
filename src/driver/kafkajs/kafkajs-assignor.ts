import type {
  Assigner,
  Cluster,
  Consumer,
  GroupMember as KafkajsMember,
  GroupMemberAssignment,
  PartitionAssigner,
} from 'kafkajs'
import { AssignerProtocol } from 'kafkajs'
import type { Runtime } from '../../clock/index.ts'
import type { Logger } from '../../logger/index.ts'
import type { MemberClaim } from '../assignor-claim.ts'
import { decodeClaim, encodeClaim } from '../assignor-claim.ts'
import type { GroupMember } from '../assignor.ts'
import { assignPartitions } from '../assignor.ts'
import { describeFailure, readFailure } from './kafkajs-errors.ts'

/** The name under which our members agree on {@link assignPartitions}. It stays: members of two names cannot share a group. */
export const ASSIGNOR_NAME = 'holdfast'

/** How the assignor of one kafkajs consumer is made. */
export interface AssignorOptions {
  readonly groupId: string
  readonly runtime: Pick<Runtime, 'failpoint'>
  readonly logger: Logger
}

/** What shares the partitions out when this consumer leads its group, and tells the leader about it when it does not. */
export interface KafkajsAssignor {
  /**
   * For kafkajs' `partitionAssigners`, the preferred one first. The group takes one that all members have: the second is kafkajs'
   * only one, by name, for a group that bare kafkajs members are still in.
   */
  readonly assigners: readonly [holdfast: PartitionAssigner, roundRobin: PartitionAssigner]
  /** Listens to what the consumer is assigned, and warns where a bare leader has assigned what nobody will read. */
  follow(consumer: Consumer): void
}

/** Makes a {@link KafkajsAssignor}. */
export function createKafkajsAssignor({ groupId, runtime, logger }: AssignorOptions): KafkajsAssignor {
  let owned: GroupMember['owned'] = new Map()
  let generation = -1
  let told: Pick<GroupMember, 'owned' | 'generation'> | undefined
  let protocolName = ASSIGNOR_NAME

  const warn: Warn = (fields, message) => logger.warn({ groupId, ...fields }, message)

  const claimOf = (cluster: Cluster, topics: readonly string[]): MemberClaim => {
    // The same for each of the joins of one rebalance (every fetcher of kafkajs sends its own): one that differs begins another.
    told ??= { owned, generation }
    const mine = told.owned
    return {
      generation: told.generation,
      // With the counts, a topic that grows changes the claim: else the group would keep its assignment unless the leader reads it.
      topics: topics.map((topic) => ({ partitionCount: countOf(cluster, topic), owned: mine.get(topic) ?? [] })),
    }
  }

  const assign = async (
    cluster: Cluster,
    group: readonly KafkajsMember[],
    own: readonly string[],
  ): Promise<GroupMemberAssignment[]> => {
    const members = group.map(({ memberId, memberMetadata }) => readMember(memberId, memberMetadata, warn))
    const partitionCounts = await countPartitions(members, own, cluster)
    await runtime.failpoint('kafkajs-assignor:counted')
    const assignment = assignPartitions({ groupId, members, partitionCounts })
    return [...assignment].map(([memberId, topics]) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({
        version: 0,
        assignment: Object.fromEntries([...topics].map(([topic, partitions]) => [topic, [...partitions]])),
        userData: Buffer.alloc(0),
      }),
    }))
  }

  const countPartitions = async (
    members: readonly ToldMember[],
    own: readonly string[],
    cluster: Cluster,
  ): Promise<ReadonlyMap<string, number>> => {
    // kafkajs has just asked for those of the leader's own topics, and for no others.
    const counts = new Map(own.map((topic) => [topic, countOf(cluster, topic)]))
    const others = [...new Set(members.flatMap(({ topics }) => topics))].filter((topic) => !counts.has(topic))
    for (const [topic, answer] of await askForCounts(cluster, groupId, others)) {
      // Deleted, not ours to describe, or without a leader now: its readers said how many it has.
      const count = answer.count ?? members.reduce((most, { told }) => Math.max(most, told.get(topic) ?? 0), 0)
      counts.set(topic, count)
      if (count === 0) warn({ topic, error: answer.error }, 'nobody is assigned a topic whose partitions are not known')
    }
    return counts
  }

  const makeAssigner =
    (name: string): PartitionAssigner =>
    ({ cluster }): Assigner => ({
      name,
      version: 0,
      protocol: ({ topics }) => {
        const userData = Buffer.from(encodeClaim(claimOf(cluster, topics)))
        return { name, metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData }) }
      },
      assign: ({ members, topics }) => assign(cluster, members, topics),
    })

  const protocolChanged = (name: string): void => {
    if (name === ASSIGNOR_NAME) {
      logger.info({ groupId }, 'all members share the partitions out by holdfast again')
      return
    }
    const message = 'a member without Holdfast is in the group: until it leaves, all members must read the same topics'
    warn({ assignor: name }, message)
  }

  return {
    assigners: [makeAssigner(ASSIGNOR_NAME), makeAssigner(ROUND_ROBIN_NAME)],
    follow(consumer) {
      consumer.on('consumer.group_join', ({ payload }) => {
        owned = new Map(Object.entries(payload.memberAssignment))
        told = undefined
        if (payload.groupProtocol !== protocolName) protocolChanged((protocolName = payload.groupProtocol))
      })
      // The only place where kafkajs tells the generation. It is that of the assignment, or of an earlier one: never a later.
      consumer.on('consumer.heartbeat', ({ payload }) => void (generation = payload.groupGenerationId))
      consumer.on('consumer.received_unsubscribed_topics', ({ payload: { topicsNotSubscribed: topics } }) =>
        warn(
          { topics },
          'a leader without Holdfast assigned partitions of topics that are not read here: nobody reads these partitions',
        ),
      )
    },
  }
}

/** kafkajs' `assigners/roundRobinAssigner/index.js`. Whoever leads may share out as it likes under this name, and ours does as ever. */
const ROUND_ROBIN_NAME = 'RoundRobinAssigner'

type Warn = (fields: Record<string, unknown>, message: string) => void

/** A member with how many partitions it says that its topics have. */
type ToldMember = GroupMember & { readonly told: ReadonlyMap<string, number> }

function readMember(id: string, metadata: Buffer, warn: Warn): ToldMember {
  try {
    const { topics, userData } = AssignerProtocol.MemberMetadata.decode(metadata)!
    const claim = decodeClaim(userData ?? new Uint8Array(), topics.length)
    const claims = topics.map((topic, i) => [topic, claim?.topics[i]] as const)
    return {
      id,
      topics,
      generation: claim?.generation ?? -1,
      owned: new Map(claims.map(([topic, told]) => [topic, told?.owned ?? []])),
      told: new Map(claims.map(([topic, told]) => [topic, told?.partitionCount ?? 0])),
    }
  } catch (error) {
    warn({ memberId: id, error: readFailure(error).name }, 'a member whose topics cannot be read is assigned nothing')
    return { id, topics: [], generation: -1, owned: new Map(), told: new Map() }
  }
}

/** How many partitions kafkajs knows of a topic that it reads; 0 before its first metadata. */
function countOf(cluster: Cluster, topic: string): number {
  try {
    return cluster.findTopicPartitionMetadata(topic).length
  } catch {
    return 0
  }
}

type CountAnswer =
  { readonly count: number; readonly error?: never } | { readonly error: string; readonly count?: never }

/**
 * Asks for topics that this consumer does not read, past kafkajs' own metadata: added to its target topics they would stay there,
 * and one that is deleted later would fail every refresh of this consumer.
 */
async function askForCounts(
  cluster: Cluster,
  groupId: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, CountAnswer>> {
  const answers = new Map<string, CountAnswer>()
  if (topics.length === 0) return answers
  const ask = async (asked: readonly string[]): Promise<void> => {
    const coordinator = await cluster.findGroupCoordinator({ groupId })
    const { topicMetadata } = await coordinator.metadata([...asked])
    for (const { topic, partitionMetadata } of topicMetadata) answers.set(topic, { count: partitionMetadata.length })
  }
  const all = await ask(topics).then(
    () => true,
    () => false, // kafkajs throws for all of them if one has an error
  )
  for (const topic of all ? [] : topics) {
    await ask([topic]).catch((error: unknown) => answers.set(topic, { error: describeFailure(readFailure(error)) }))
  }
  return answers
}
