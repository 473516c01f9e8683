import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
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
  }
  if (problems.length === 0) return undefined
  return new HoldfastError('HOLDFAST_MESSAGE_INVALID', `a batch for ${formatPartition(batch)} does not fit`, {
    problems,
  })
}

const LAST_TIMESTAMP = BigInt(Number.MAX_SAFE_INTEGER)
