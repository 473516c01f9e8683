import { HASH_BYTES } from './fact-bytes.ts'

/**
 * What is judged, in the order in which it has to be looked at. `expected`: messages of the first side by key and place, for ranges of what is missing.
 * `arrived`: first copies by key and place on the other side, for their order. `surplus`: copies that are too many, by partition. `chain`: rows, and
 * the rows that name them as their predecessor.
 */
export const SECTION = { expected: 0, arrived: 1, surplus: 2, chain: 3 } as const

/** What was found so far. */
export const VERDICT = { fine: 0, missing: 1, duplicate: 2, extra: 3 } as const

/** An entry. What each field means depends on its section: see `match.ts`. */
export interface Entry {
  readonly section: (typeof SECTION)[keyof typeof SECTION]
  /** 16 bytes; absent for nothing. */
  readonly a?: Uint8Array
  readonly b?: number
  readonly c?: number
  readonly d: bigint
  readonly e?: bigint
  readonly atMs: number
  readonly keyAt: number
  readonly verdict?: number
  /** The hash of its key; absent where it has none. */
  readonly key?: Uint8Array | undefined
  readonly place?: { readonly partition: number; readonly offset: bigint } | null
  readonly ordinal?: number
}

/** An entry in so many bytes. The first {@link ENTRY_SORT_BYTES} are its order. */
export const ENTRY_BYTES = 91
export const ENTRY_SORT_BYTES = 33

const A_AT = 1
const B_AT = 17
const C_AT = 21
const D_AT = 25
const E_AT = 33
const TIME_AT = 41
const KEY_AT = 49
const VERDICT_AT = 55
const HAS_KEY_AT = 56
const KEY_HASH_AT = 57
const PLACE_LINE_AT = 73
const PLACE_ORDER_AT = 77
const ORDINAL_AT = 85

const NOTHING = Buffer.alloc(HASH_BYTES)
const NOWHERE = 0xffff_ffff

/** Writes an entry. */
export function writeEntry(entry: Entry, into: Buffer, at: number): void {
  into.writeUInt8(entry.section, at)
  into.set(entry.a ?? NOTHING, at + A_AT)
  into.writeUInt32BE(entry.b ?? 0, at + B_AT)
  into.writeUInt32BE(entry.c ?? 0, at + C_AT)
  into.writeBigUInt64BE(entry.d, at + D_AT)
  into.writeBigUInt64BE(entry.e ?? 0n, at + E_AT)
  into.writeDoubleBE(entry.atMs, at + TIME_AT)
  into.writeUIntBE(entry.keyAt, at + KEY_AT, 6)
  into.writeUInt8(entry.verdict ?? VERDICT.fine, at + VERDICT_AT)
  into.writeUInt8(entry.key === undefined ? 0 : 1, at + HAS_KEY_AT)
  into.set(entry.key ?? NOTHING, at + KEY_HASH_AT)
  into.writeUInt32BE(entry.place?.partition ?? NOWHERE, at + PLACE_LINE_AT)
  into.writeBigUInt64BE(entry.place?.offset ?? 0n, at + PLACE_ORDER_AT)
  into.writeUIntBE(entry.ordinal ?? 0, at + ORDINAL_AT, 6)
}

/** An entry, read from its bytes. */
export interface ReadEntry extends Required<Omit<Entry, 'a' | 'key' | 'place' | 'section'>> {
  readonly section: number
  readonly a: Buffer
  readonly key: Buffer | null
  readonly place: { readonly partition: number; readonly offset: bigint } | null
}

/** Reads an entry. */
export function readEntry(from: Buffer, at: number): ReadEntry {
  const partition = from.readUInt32BE(at + PLACE_LINE_AT)
  const slice = (start: number): Buffer => Buffer.from(from.subarray(at + start, at + start + HASH_BYTES)) // its own: blocks are used again
  return {
    section: from[at]!,
    a: slice(A_AT),
    b: from.readUInt32BE(at + B_AT),
    c: from.readUInt32BE(at + C_AT),
    d: from.readBigUInt64BE(at + D_AT),
    e: from.readBigUInt64BE(at + E_AT),
    atMs: from.readDoubleBE(at + TIME_AT),
    keyAt: from.readUIntBE(at + KEY_AT, 6),
    verdict: from[at + VERDICT_AT]!,
    key: from[at + HAS_KEY_AT] === 1 ? slice(KEY_HASH_AT) : null,
    place: partition === NOWHERE ? null : { partition, offset: from.readBigUInt64BE(at + PLACE_ORDER_AT) },
    ordinal: from.readUIntBE(at + ORDINAL_AT, 6),
  }
}
