import { createHash } from 'node:crypto'
import type { AuditFact, FactState } from './audit-source.ts'

/** Which side a fact is of. */
export const SIDE = { from: 0, to: 1 } as const

/** What of a fact the comparison needs, beside the fact itself. */
export interface FactContext {
  readonly side: (typeof SIDE)[keyof typeof SIDE]
  /** Are messages compared by key and id, or by id alone? */
  readonly keyed: boolean
  /** How many facts its line had before it. */
  readonly ordinal: number
  /** Where its key's bytes are kept; 0 for nowhere. */
  readonly keyAt: number
}

/** A fact in so many bytes, whatever its id and key. The first {@link FACT_SORT_BYTES} are its order: by message, then side, then place. */
export const FACT_BYTES = 79
export const FACT_SORT_BYTES = 45

// What a message is: its key's hash and its id's; of a message without a key its id's twice, so that these spread as keys do.
const GROUP_AT = 0
const ID_AT = 16
const SIDE_AT = 32
const LINE_AT = 33
const ORDER_AT = 37
const STATE_AT = 45
const KEYED_AT = 46
const ORDINAL_AT = 47
const TIME_AT = 53
const KEY_AT = 61
const PLACE_LINE_AT = 67
const PLACE_ORDER_AT = 71

/** SHA-256 is cut to this: no two of all messages that will ever be share it. */
export const HASH_BYTES = 16
/** The bytes that say which message it is. */
export const MESSAGE_BYTES = 32

const STATES: readonly FactState[] = ['due', 'sent', 'parked', 'discarded', 'tombstone', 'foreign']

/** Where it was acknowledged: nowhere. */
const NOWHERE = 0xffff_ffff

/** A fact, read from its bytes. */
export interface ReadFact {
  readonly group: Buffer
  readonly keyed: boolean
  readonly side: number
  readonly line: number
  readonly order: bigint
  readonly state: FactState
  readonly ordinal: number
  readonly atMs: number
  readonly keyAt: number
  readonly acknowledged: { readonly partition: number; readonly offset: bigint } | null
}

/** By what a message's key is known. */
export function keyGroup(key: Uint8Array): Buffer {
  return createHash('sha256').update(key).digest().subarray(0, HASH_BYTES)
}

/** Writes a fact. @returns the hash of its key, null where it has none, or is compared by id alone */
export function writeFact(fact: AuditFact, context: FactContext, into: Buffer, at: number): void {
  const id = createHash('sha256').update(fact.id).digest().subarray(0, HASH_BYTES)
  const keyed = context.keyed && fact.key !== null
  const group = keyed ? keyGroup(fact.key) : id
  group.copy(into, at + GROUP_AT)
  id.copy(into, at + ID_AT)
  into.writeUInt8(context.side, at + SIDE_AT)
  into.writeUInt32BE(fact.line, at + LINE_AT)
  into.writeBigUInt64BE(fact.order, at + ORDER_AT)
  into.writeUInt8(STATES.indexOf(fact.state ?? 'due'), at + STATE_AT)
  into.writeUInt8(keyed ? 1 : 0, at + KEYED_AT)
  into.writeUIntBE(context.ordinal, at + ORDINAL_AT, 6)
  into.writeDoubleBE(fact.atMs, at + TIME_AT)
  into.writeUIntBE(context.keyAt, at + KEY_AT, 6)
  into.writeUInt32BE(fact.acknowledged?.partition ?? NOWHERE, at + PLACE_LINE_AT)
  into.writeBigUInt64BE(fact.acknowledged?.offset ?? 0n, at + PLACE_ORDER_AT)
}

/** Reads a fact. */
export function readFact(from: Buffer, at: number): ReadFact {
  const partition = from.readUInt32BE(at + PLACE_LINE_AT)
  return {
    group: Buffer.from(from.subarray(at + GROUP_AT, at + GROUP_AT + HASH_BYTES)), // its own: blocks are used again
    keyed: from[at + KEYED_AT] === 1,
    side: from[at + SIDE_AT]!,
    line: from.readUInt32BE(at + LINE_AT),
    order: from.readBigUInt64BE(at + ORDER_AT),
    state: STATES[from[at + STATE_AT]!]!,
    ordinal: from.readUIntBE(at + ORDINAL_AT, 6),
    atMs: from.readDoubleBE(at + TIME_AT),
    keyAt: from.readUIntBE(at + KEY_AT, 6),
    acknowledged: partition === NOWHERE ? null : { partition, offset: from.readBigUInt64BE(at + PLACE_ORDER_AT) },
  }
}
