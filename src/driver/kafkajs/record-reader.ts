/** The bytes are not what Kafka's protocol says they are; nothing of the batch is handed over. */
export class MalformedBatchError extends Error {
  constructor(why: string) {
    super(`a batch of records cannot be read: ${why}`)
    this.name = 'MalformedBatchError'
  }
}

/** Reads the numbers of Kafka's records: zigzag, 7 bits in a byte, the lowest first. */
export class RecordReader {
  at: number
  readonly #bytes: Bytes

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes as Bytes
    this.at = at
  }

  /** Of 32 bits, as lengths and deltas of offsets are. NaN behind the end. */
  varInt(): number {
    let byte = this.#bytes[this.at++]!
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      byte = this.#bytes[this.at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    return NaN
  }

  /** Of 64 bits. */
  varLong(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
  }

  skipVarInt(): void {
    while (this.#bytes[this.at++]! >= 0x80);
  }

  skipBytes(): void {
    const length = this.varInt()
    if (!(length <= 0)) this.at += length // NaN is no length: all that follows is none either, and found by that
  }

  /** A length and as many bytes; a length below 0 is null. */
  bytesOrNull(): Buffer | null {
    const length = this.varInt()
    return length < 0 ? null : this.#bytes.subarray(this.at, (this.at += length))
  }

  text(): string {
    const length = this.varInt()
    if (!(length >= 0 && this.at + length <= this.#bytes.length))
      throw new MalformedBatchError('a header is longer than its record')
    return this.#bytes.utf8Slice(this.at, (this.at += length))
  }
}

/** Node has this for long, its types since 22. */
type Bytes = Buffer & { utf8Slice(start: number, end: number): string }
