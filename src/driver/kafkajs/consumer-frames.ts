import type { TopicPartition } from '../../record/index.ts'

/** The requests of Kafka's protocol that mean something to the consumer's wire, by their API key. */
export const API = {
  fetch: 1,
  offsetCommit: 8,
  joinGroup: 11,
  leaveGroup: 13,
  syncGroup: 14,
  saslAuthenticate: 36,
} as const

/** The API key of a request frame; `-1` for bytes that are none, such as the tokens of a SASL handshake of old brokers. */
export function apiKeyOf(frame: unknown): number {
  if (!Buffer.isBuffer(frame) || frame.length < HEAD_BYTES || frame.readInt32BE(0) !== frame.length - 4) return -1
  return frame.readInt16BE(4)
}

/** The member id in a JoinGroup request (versions 0 to 5); empty when the member has none, or has lost it. */
export function memberOfJoin(frame: Buffer): string {
  const body = bodyOf(frame)
  body.text() // group
  body.skip(frame.readInt16BE(6) >= 1 ? 8 : 4) // session timeout, and since version 1 the rebalance timeout
  return body.text()
}

/** Who asks for its assignment in a SyncGroup request (versions 0 to 3), and in which generation of the group. */
export function identityOfSync(frame: Buffer): { readonly memberId: string; readonly generation: number } {
  const body = bodyOf(frame)
  body.text() // group
  const generation = body.int32()
  return { memberId: body.text(), generation }
}

/** Sets how long the broker may hold a Fetch request back for want of data, in place (the same spot in versions 0 to 11). */
export function setMaxWait(frame: Buffer, maxWaitMs: number): void {
  const body = bodyOf(frame)
  body.skip(4) // replica id
  frame.writeInt32BE(maxWaitMs, body.at())
}

/**
 * What kafkajs does to a partition whose position is not on the log: it commits the sign for "earliest" or "latest" over the
 * group's offset. Such a request comes back without its topics, so that the broker changes nothing and still answers, along
 * with the partitions it was for; undefined for every other commit (versions 2 to 5).
 */
export function withoutResets(
  frame: Buffer,
): { readonly frame: Buffer; readonly resets: readonly TopicPartition[] } | undefined {
  const version = frame.readInt16BE(6)
  if (version < 2 || version > 5) return undefined
  const body = bodyOf(frame)
  body.text() // group
  body.skip(4) // generation
  body.text() // member
  if (version < 5) body.skip(8) // retention time
  const topicsAt = body.at()
  const resets: TopicPartition[] = []
  for (let topics = body.int32(); topics > 0; topics--) {
    const topic = body.text()
    for (let partitions = body.int32(); partitions > 0; partitions--) {
      const partition = body.int32()
      if (body.int64() < 0n) resets.push({ topic, partition })
      body.text() // metadata
    }
  }
  if (resets.length === 0) return undefined
  const emptied = Buffer.alloc(topicsAt + 4) // the count of topics is left 0
  frame.copy(emptied, 0, 0, topicsAt)
  emptied.writeInt32BE(emptied.length - 4, 0)
  return { frame: emptied, resets }
}

const HEAD_BYTES = 14 // size, API key, version, correlation id, length of the client id

interface Body {
  at(): number
  skip(bytes: number): void
  int32(): number
  int64(): bigint
  text(): string
}

/** A cursor behind the head of a request. */
function bodyOf(frame: Buffer): Body {
  let at = HEAD_BYTES - 2
  const body: Body = {
    at: () => at,
    skip: (bytes) => void (at += bytes),
    int32: () => frame.readInt32BE((at += 4) - 4),
    int64: () => frame.readBigInt64BE((at += 8) - 8),
    text() {
      const length = frame.readInt16BE((at += 2) - 2)
      if (length <= 0) return '' // -1 is null
      return frame.toString('utf8', at, (at += length))
    },
  }
  body.text() // the client id
  return body
}
