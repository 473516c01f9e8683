import type { OutboundRecord } from '../../record/index.ts'

/**
 * The records of a batch in Kafka's format v2 (message format 2, KIP-98), as they stand between the batch's header and its end:
 * headers in their own order, with repeated names, empty and null values.
 *
 * kafkajs would make one 512-byte buffer for each record and one for each header of it, which costs more than all else that a send
 * does; this makes one for the batch. Byte for byte the same otherwise: a test compares the two.
 *
 * @param firstTimestamp - the batch's own; none of the records' is earlier.
 */
export function encodeRecords(records: readonly OutboundRecord[], firstTimestamp: bigint): Buffer {
  const bodies = records.map((record, i) => bodySize(record, Number(record.timestamp - firstTimestamp), i))
  const into = new Writer(bodies.reduce((sum, size) => sum + sizeOfVarInt(size) + size, 0))
  records.forEach((record, i) => {
    into.varInt(bodies[i]!)
    into.byte(0) // no attributes
    into.varInt(Number(record.timestamp - firstTimestamp))
    into.varInt(i)
    into.bytes(record.key)
    into.bytes(record.value)
    into.varInt(record.headers.length)
    for (const [name, value] of record.headers) {
      into.text(name)
      into.bytes(value)
    }
  })
  return into.buffer
}

function bodySize({ key, value, headers }: OutboundRecord, timestampDelta: number, offsetDelta: number): number {
  let size = 1 + sizeOfVarInt(timestampDelta) + sizeOfVarInt(offsetDelta) + sizeOfBytes(key) + sizeOfBytes(value)
  size += sizeOfVarInt(headers.length)
  for (const [name, bytes] of headers) {
    const length = Buffer.byteLength(name)
    size += sizeOfVarInt(length) + length + sizeOfBytes(bytes)
  }
  return size
}

function sizeOfBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : sizeOfVarInt(bytes.length) + bytes.length
}

/** Of a number of 0 or more, zigzag encoded, which doubles it. */
function sizeOfVarInt(value: number): number {
  let size = 1
  for (let left = value * 2; left >= 0x80; left = Math.floor(left / 0x80)) size++
  return size
}

/** Writes into a buffer of just the right size. */
class Writer {
  readonly buffer: Buffer
  #at = 0

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size)
  }

  byte(value: number): void {
    this.buffer[this.#at++] = value
  }

  /** Zigzag; 0 or more. By division, since a timestamp's distance can be more than 31 bits. */
  varInt(value: number): void {
    let left = value * 2
    for (; left >= 0x80; left = Math.floor(left / 0x80)) this.byte((left % 0x80) + 0x80)
    this.byte(left)
  }

  bytes(bytes: Uint8Array | null): void {
    if (bytes === null) return this.byte(1) // −1
    this.varInt(bytes.length)
    this.buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  text(text: string): void {
    const length = Buffer.byteLength(text)
    this.varInt(length)
    this.#at += this.buffer.write(text, this.#at, length, 'utf8')
  }
}
