import kafkajs from 'kafkajs'
import type { Message } from 'kafkajs'
import type { Compression } from '../capabilities.ts'
import type { ProduceBatch } from '../driver-producer.ts'
import type { KafkajsCodec } from './kafkajs-codecs.ts'
import { compressionType } from './kafkajs-codecs.ts'
import { encodeRecords } from './record-encoding.ts'
import { RecordReader } from './record-reader.ts'

/**
 * A batch as it is given to kafkajs: as many messages as it has records, which kafkajs counts and numbers, the first of which holds
 * all records already encoded. A codec of ours ({@link packedCompression}) puts these in the place of what kafkajs encodes.
 *
 * Every message has the partition, since kafkajs would choose what is missing anew at every repeat; the first has the earliest
 * timestamp and the last the latest, which is all that kafkajs takes from them.
 */
export function toKafkajsMessages({ records, partition }: ProduceBatch): Message[] {
  let [first, last] = [records[0]!.timestamp, records[0]!.timestamp]
  for (const { timestamp } of records) {
    if (timestamp < first) first = timestamp
    if (timestamp > last) last = timestamp
  }
  const counted: Message = { partition, value: null }
  const messages = records.map(() => counted)
  // The last before the first: a batch of one needs the packed records above all, and its two timestamps are the same.
  messages[records.length - 1] = { partition, value: null, timestamp: asText(last) }
  messages[0] = { partition, value: encodeRecords(records, first), timestamp: asText(first) }
  // kafkajs groups messages by partition with `reduce`, copying all before for each one: of 500 it makes 125,000 copies.
  // And with `map` it makes a buffer of 512 bytes for each, to write the record that it thinks it is: only the ends hold anything.
  if (messages.length > 1) {
    Object.defineProperty(messages, 'reduce', { value: () => ({ [partition]: messages }) })
    Object.defineProperty(messages, 'map', {
      value: (call: Parameters<Message[]['map']>[0]) => mapEnds(messages, call),
    })
  }
  return messages
}

/** As `map`, with holes in place of all but the first and the last: what looks at each passes over holes, and the length stays. */
function mapEnds(messages: Message[], call: Parameters<Message[]['map']>[0]): unknown[] {
  const mapped: unknown[] = []
  mapped.length = messages.length
  for (const i of [0, messages.length - 1]) mapped[i] = call(messages[i]!, i, messages)
  return mapped
}

/** kafkajs sorts timestamps as text. */
function asText(timestamp: bigint): string {
  return timestamp.toString().padStart(16, '0')
}

/**
 * The number by which kafkajs finds the codec that unpacks. kafkajs looks codecs up by the whole number and writes its lowest three
 * bits (`COMPRESSION_CODEC_MASK`) on the log, so 8 and above are codecs of our own that say "none", "gzip" and so on there.
 */
export function packedCompression(compression: Compression): number {
  const type = compressionType(compression)
  const table = kafkajs.CompressionCodecs as Record<number, (() => KafkajsCodec) | undefined>
  table[PACKED | type] ??= () => packedCodec(type === 0 ? null : table[type]!())
  return PACKED | type
}

const PACKED = 8

function packedCodec(packing: KafkajsCodec | null): KafkajsCodec {
  return {
    async compress({ buffer }) {
      const records = packedIn(buffer)
      return packing === null ? records : packing.compress({ buffer: records })
    },
    decompress: (buffer) => Promise.resolve(buffer), // never asked: no batch on the log names this codec
  }
}

/** The value of the first record that kafkajs has encoded. */
function packedIn(buffer: Buffer): Buffer {
  const reader = new RecordReader(buffer, 0)
  reader.varInt() // the record's length
  reader.at++ // attributes
  reader.skipVarInt() // timestamp delta
  reader.skipVarInt() // offset delta
  reader.skipBytes() // no key
  return reader.bytesOrNull()!
}
