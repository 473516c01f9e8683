import { HoldfastError } from '../../errors/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { ProduceBatch, ProduceOutcome } from '../driver-producer.ts'
import type { Deadline } from './deadline.ts'
import { LATE } from './deadline.ts'
import { availableCompression } from './kafkajs-codecs.ts'
import { unfitBatch } from './unfit-batch.ts'
import type { PartitionLanes } from './partition-lanes.ts'
import type { ProduceCallParts } from './produce-call.ts'
import { produceCall } from './produce-call.ts'

/** Writes a batch in the lane of its partition, after the checks that need no broker. Never rejects. */
export async function produceInLane(
  lanes: PartitionLanes,
  parts: ProduceCallParts,
  batch: ProduceBatch,
  deadline: Deadline,
): Promise<readonly ProduceOutcome[]> {
  const unfit = unfitBatch(batch) ?? missingCodec(batch)
  if (unfit !== undefined) return failed(batch, unfit)

  const place = formatPartition(batch)
  const result = await lanes.run(
    place,
    deadline,
    () => produceCall(parts, batch, deadline),
    // The next batch of this partition waits until no byte of a doubtful one can leave the process: what does leave later would
    // stand on the log after it. What the broker's machine has already received cannot be called back.
    (ended) => (ended.kind === 'unknown' ? ended.inner.gone : undefined),
  )
  if (result === LATE) {
    const message = `earlier records for ${place} took the whole delivery timeout; nothing was written`
    return failed(batch, new HoldfastError('HOLDFAST_DELIVERY_TIMEOUT', message, { retriable: true }))
  }
  if (result.kind !== 'written') return failed(batch, result.error)
  // kafkajs gives the first offset alone; one request is one record batch, whose offsets follow each other.
  return batch.records.map((_, i) => ({ ok: true, offset: result.baseOffset + BigInt(i) }))
}

/** The same error for every record of a batch: Kafka takes or refuses a batch as a whole. */
export function failed(batch: ProduceBatch, error: HoldfastError): readonly ProduceOutcome[] {
  return batch.records.map(() => ({ ok: false, error }))
}

function missingCodec(batch: ProduceBatch): HoldfastError | undefined {
  if (batch.compression === 'none' || availableCompression().includes(batch.compression)) return undefined
  const message = `kafkajs has no codec for ${batch.compression}: give one in the driver's option codecs`
  return new HoldfastError('HOLDFAST_UNSUPPORTED', message)
}
