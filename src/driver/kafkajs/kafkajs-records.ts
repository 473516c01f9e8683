import type { IHeaders, Message } from 'kafkajs'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Headers } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { ProduceBatch } from '../driver-producer.ts'

/**
 * Why kafkajs cannot write a batch as it stands, found before anything is sent; undefined when it can. kafkajs would throw a
 * `TypeError` that quotes the value, half-way through an encoding whose outcome then counts as unknown.
 */
export function unfitBatch(batch: ProduceBatch): HoldfastError | undefined {
  const problems: Problem[] = []
  if (batch.records.length === 0) problems.push({ path: 'records', message: 'one or more are needed' })
  for (const [i, record] of batch.records.entries()) {
    if (record.topic !== batch.topic || record.partition !== batch.partition) {
      problems.push({ path: `records[${i}]`, message: 'belongs to another partition than its batch' })
    }
    if (record.timestamp < 0n || record.timestamp > LAST_TIMESTAMP) {
      problems.push({ path: `records[${i}].timestamp`, message: 'from 0 to 2^53 - 1: kafkajs computes with numbers' })
    }
    for (const [name, value] of record.headers) {
      if (value === null)
        problems.push({ path: `records[${i}].headers`, message: `kafkajs cannot write ${name}: null` })
    }
  }
  if (problems.length === 0) return undefined
  return new HoldfastError('HOLDFAST_MESSAGE_INVALID', `a batch for ${formatPartition(batch)} does not fit`, {
    problems,
  })
}

const LAST_TIMESTAMP = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * The records as kafkajs takes them: partition and timestamp on every one, since it would choose what is missing anew at
 * every repeat.
 */
export function toKafkajsMessages(batch: ProduceBatch): Message[] {
  return batch.records.map((record) => ({
    key: asBuffer(record.key),
    value: asBuffer(record.value),
    partition: record.partition,
    timestamp: record.timestamp.toString().padStart(16, '0'), // kafkajs sorts them as text to find first and last
    ...(record.headers.length === 0 ? undefined : { headers: toKafkajsHeaders(record.headers) }),
  }))
}

/**
 * Headers as the plain object that kafkajs wants: one name many times becomes an array in its order; the order among
 * different names is lost, and names that look like whole numbers come first.
 */
export function toKafkajsHeaders(headers: Headers): IHeaders {
  const object = Object.create(null) as IHeaders // without a prototype `__proto__` and `constructor` are names like any other
  for (const [name, bytes] of headers) {
    const value = asBuffer(bytes) as Buffer
    const before = object[name]
    if (before === undefined) object[name] = value
    else if (Array.isArray(before)) before.push(value)
    else object[name] = [before, value]
  }
  return object
}

/** kafkajs tells bytes from text by `Buffer.isBuffer`; a view on the same memory, nothing is copied. */
function asBuffer(bytes: Uint8Array | null): Buffer | null {
  if (bytes === null || Buffer.isBuffer(bytes)) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
