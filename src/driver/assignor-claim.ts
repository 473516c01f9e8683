/** What a member tells about one of its topics when it joins a group. */
export interface TopicClaim {
  /** How many partitions it knows; 0 when it knows none. */
  readonly partitionCount: number
  /** The partitions that it was assigned last, ascending. */
  readonly owned: readonly number[]
}

/** What a member tells about itself when it joins a group: its word, never checked by the broker. */
export interface MemberClaim {
  /** The generation in which it got what it owns; never a later one. `-1` when it does not know. */
  readonly generation: number
  /** One for each topic that it reads, in the order in which it names them to the group. */
  readonly topics: readonly TopicClaim[]
}

/**
 * The most bytes that a claim has: 4,096, room for the bits of some 20,000 partitions. A broker writes the claims of all members
 * into one record, which has to fit `message.max.bytes` (1 MiB by default): 250 members do.
 */
export const MAX_CLAIM_BYTES = 4_096

/**
 * A claim as bytes: a version, then JSON `[generation, [[count, bits], …]]` where bit *p* says that partition *p* is owned. What does
 * not fit {@link MAX_CLAIM_BYTES} is left out, the owned partitions of the last topics first; that costs moves, nothing else.
 */
export function encodeClaim({ generation, topics }: MemberClaim): Uint8Array {
  const entries = topics.map(({ partitionCount, owned }): [number, string] => [partitionCount, encodeBits(owned)])
  let room = MAX_CLAIM_BYTES - 1 - JSON.stringify([generation, entries.map(([count]) => [count, ''])]).length
  if (room < 0) return new Uint8Array()
  const fitting = entries.map(([count, bits]) => [count, (room -= bits.length) >= 0 ? bits : ''])
  return Buffer.concat([Uint8Array.of(VERSION), Buffer.from(JSON.stringify([generation, fitting]))])
}

/** Reads a claim; undefined for anything that {@link encodeClaim} has not written for this many topics, since others may write here. */
export function decodeClaim(bytes: Uint8Array, topicCount: number): MemberClaim | undefined {
  if (bytes[0] !== VERSION || bytes.length > MAX_CLAIM_BYTES) return undefined
  let told: unknown
  try {
    told = JSON.parse(Buffer.from(bytes.subarray(1)).toString())
  } catch {
    return undefined
  }
  if (!Array.isArray(told) || !Number.isSafeInteger(told[0]) || !Array.isArray(told[1])) return undefined
  const [generation, entries] = told as [number, unknown[]]
  if (entries.length !== topicCount || !entries.every(isEntry)) return undefined
  const topics = entries.map(([partitionCount, bits]) => ({ partitionCount, owned: decodeBits(bits) }))
  return { generation, topics }
}

const VERSION = 1

/** More than Kafka bears on a topic; a claim of more is none. */
const MAX_PARTITIONS = 200_000

function isEntry(entry: unknown): entry is [number, string] {
  if (!Array.isArray(entry) || typeof entry[1] !== 'string') return false
  return Number.isSafeInteger(entry[0]) && entry[0] >= 0 && entry[0] <= MAX_PARTITIONS
}

function encodeBits(partitions: readonly number[]): string {
  const highest = partitions.reduce((found, partition) => Math.max(found, partition), -1)
  const bits = Buffer.alloc((highest >> 3) + 1)
  for (const partition of partitions) bits[partition >> 3]! |= 1 << (partition & 7)
  return bits.toString('base64')
}

function decodeBits(text: string): readonly number[] {
  const bits = Buffer.from(text, 'base64')
  const partitions: number[] = []
  for (let partition = 0; partition < bits.length * 8; partition++) {
    if ((bits[partition >> 3]! & (1 << (partition & 7))) !== 0) partitions.push(partition)
  }
  return partitions
}
