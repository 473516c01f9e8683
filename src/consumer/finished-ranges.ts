import { crc32 } from 'node:zlib'
import type { FinishedRange } from './offset-tracker.ts'

/** Kafka's default for `offset.metadata.max.bytes`: what a broker takes beside one committed offset. */
export const MAX_METADATA_BYTES = 4_096

/**
 * Writes finished ranges as text that travels with the commit of `base`: `hf1:` and, in base64url, a checksum, the base, and how far it is
 * from one end to the next as varints. Ranges are ascending, none begins below `base`. What does not fit is left out from the highest
 * down, never in the middle: a hole would repeat an older record of a key after a newer one. Reads no range more than fits.
 *
 * @defaultValue 4,096 for `maxBytes`
 * @returns `''` when there are none, or not even one fits.
 */
export function encodeFinishedRanges(
  base: bigint,
  ranges: Iterable<FinishedRange>,
  maxBytes: number = MAX_METADATA_BYTES,
): string {
  const room = Math.floor(((maxBytes - PREFIX.length) * 3) / 4) // base64url makes four characters of three bytes, and pads nothing
  const bytes: number[] = []
  writeVarint(bytes, base)
  let fits = 0
  let end = base
  for (const { first, last } of ranges) {
    if (first < end || last < first) break // not in order: what was written so far is true all the same
    writeVarint(bytes, first - end)
    writeVarint(bytes, last - first)
    if (CHECKSUM_BYTES + bytes.length > room) break
    fits = bytes.length
    end = last + 1n
  }
  if (fits === 0) return ''
  const packed = Buffer.allocUnsafe(CHECKSUM_BYTES + fits)
  packed.set(bytes.slice(0, fits), CHECKSUM_BYTES)
  packed.writeUInt32BE(crc32(packed.subarray(CHECKSUM_BYTES)), 0)
  return PREFIX + packed.toString('base64url')
}

/**
 * Reads what {@link encodeFinishedRanges} wrote, for the offset that was committed with it. Never throws. Text of others, cut or damaged
 * text, and text that belongs to another offset mean nothing: no ranges, and what was finished is handled again.
 *
 * Another offset: MirrorMaker 2 and tools that copy groups translate the offset and hand the text on as it is. In MirrorMaker 2 a
 * `Checkpoint` takes `offsetAndMetadata.metadata()` from upstream, and `Checkpoint.offsetAndMetadata()` pairs it with `downstreamOffset`
 * (`connect/mirror`, `MirrorCheckpointTask.checkpoint` and `Checkpoint`). The ranges name offsets of the other cluster: to believe them
 * would skip records that nobody handled. A translated offset that happens to equal the base cannot be told apart: that limit remains.
 */
export function decodeFinishedRanges(base: bigint, metadata: string): readonly FinishedRange[] {
  if (!metadata.startsWith(PREFIX) || metadata.length > LONGEST_TEXT) return []
  const text = metadata.slice(PREFIX.length)
  const packed = Buffer.from(text, 'base64url')
  if (packed.length <= CHECKSUM_BYTES || packed.toString('base64url') !== text) return [] // Buffer passes over what is not base64url
  const bytes = packed.subarray(CHECKSUM_BYTES)
  if (crc32(bytes) !== packed.readUInt32BE(0)) return []
  const read = varints(bytes)
  if (read() !== base) return []
  const ranges: FinishedRange[] = []
  let end = base
  for (;;) {
    const gap = read()
    if (gap === 'end') return ranges
    const length = read()
    if (gap === 'broken' || typeof length === 'string') return []
    const first = end + gap
    const last = first + length
    if (last >= HIGHEST_OFFSET) return []
    ranges.push({ first, last })
    end = last + 1n
  }
}

/** The format's name and version. A later version gets another, which this one ignores. */
const PREFIX = 'hf1:'

/** Of CRC-32: a range that is read wrong skips records, so a damaged text must not pass for a whole one. */
const CHECKSUM_BYTES = 4

/** A broker may be set to take more than Kafka's default; what is longer than this is nobody's ranges. */
const LONGEST_TEXT = 65_536

/** Offsets are signed 64-bit integers. */
const HIGHEST_OFFSET = 2n ** 63n - 1n

function writeVarint(bytes: number[], value: bigint): void {
  let rest = value
  while (rest > SAFE) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  let small = Number(rest)
  while (small > 127) {
    bytes.push((small % 128) | 128)
    small = Math.floor(small / 128)
  }
  bytes.push(small)
}

/** Gives one value after the other; `end` where one would begin and none does. */
function varints(bytes: Uint8Array): () => bigint | 'end' | 'broken' {
  let at = 0
  return () => {
    if (at === bytes.length) return 'end'
    let value = 0n
    for (let shift = 0n; at < bytes.length && shift < 63n; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
    return 'broken'
  }
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER)
