import type { Producer } from 'kafkajs'
import { Partitioners } from 'kafkajs'
import { onTestFinished } from 'vitest'
import { packedCompression } from '../../../src/driver/kafkajs/packed-records.ts'
import { bareKafka } from '../kafkajs-producing/log-reader.ts'

/** A record as a foreign client may write it: names of headers are bytes here, since nothing makes them text. */
export interface RawRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [name: Uint8Array, value: Uint8Array | null])[]
}

/** Writes records past all checks of Holdfast and of kafkajs. */
export interface RawWriter {
  /** Answers with the record's offset. */
  write(topic: string, record: RawRecord): Promise<bigint>
}

/** A raw writer that is closed with the test. */
export async function openRawWriter(brokers: readonly string[]): Promise<RawWriter> {
  const producer: Producer = bareKafka(brokers).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  return {
    async write(topic, record) {
      const [result] = await producer.send({
        topic,
        acks: -1,
        compression: packedCompression('none'), // takes the bytes of a whole record out of a message's value
        messages: [{ partition: 0, value: encode(record) }],
      })
      return BigInt(result!.baseOffset!)
    },
  }
}

/** One record of Kafka's format v2: no attributes, the batch's timestamp, the batch's first offset. */
function encode({ key, value, headers }: RawRecord): Buffer {
  const body = [Buffer.from([0, 0, 0]), sized(key), sized(value), varInt(headers.length)]
  for (const [name, bytes] of headers) body.push(sized(name), sized(bytes))
  return sized(Buffer.concat(body))
}

function sized(bytes: Uint8Array | null): Buffer {
  return bytes === null ? varInt(-1) : Buffer.concat([varInt(bytes.length), bytes])
}

/** Zigzag, 7 bits in a byte, the lowest first. */
function varInt(value: number): Buffer {
  const digits: number[] = []
  let left = value < 0 ? -2 * value - 1 : 2 * value
  for (; left >= 0x80; left >>>= 7) digits.push((left & 0x7f) | 0x80)
  return Buffer.from([...digits, left])
}
