import type { Driver, DriverProducer, ProduceBatch, ProduceOutcome } from '../../driver/index.ts'
import { KNOWS_NO_SUCH_PLACE, REFUSES_A_RECORD } from '../../driver/index.ts'
import type { ErrorCode } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { OutboundRecord } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { SendObservation } from '../../telemetry/index.ts'
import { describeMessage, noTelemetry } from '../../telemetry/index.ts'
import type { HeldBucket, RowInHand } from './held-bucket.ts'
import type { RelaySettings } from './relay-settings.ts'

/** How rows of a line are sent together. Never rejects: one outcome for each. */
export type SendRows = (rows: readonly RowInHand[]) => Promise<readonly ProduceOutcome[]>

/** Sends rows of one partition. */
export function plainSend(producer: Pick<DriverProducer, 'produce'>, settings: RelaySettings): SendRows {
  const { deliveryTimeoutMs, runtime } = settings
  return (rows) =>
    observed(rows, settings, async (batchOf) => {
      await runtime.failpoint('relay:before-produce')
      const outcomes = await producer.produce(batchOf(rows), { timeoutMs: deliveryTimeoutMs })
      await runtime.failpoint('relay:after-produce')
      return outcomes
    })
}

/** Sends rows of one bucket, each batch a transaction of the bucket's own transactional id. */
export interface TransactionalSend {
  readonly send: SendRows
  close(timeoutMs: number): Promise<void>
}

/** Makes a {@link TransactionalSend}. @param onFenced - another worker has begun to send the rows of the bucket */
export function transactionalSend(
  driver: Driver,
  bucket: number,
  settings: RelaySettings,
  onFenced: (held: HeldBucket) => void,
): TransactionalSend {
  const { deliveryTimeoutMs, leaseMs, runtime, logger } = settings
  const { clock } = runtime
  const transactionalId = `${settings.transactionalIdPrefix}-${bucket}`
  let producer: DriverProducer | null = null

  const connected = async (): Promise<DriverProducer> => {
    if (producer !== null) return producer
    const transactionTimeoutMs = Math.max(1_000, Math.min(900_000, leaseMs))
    const fresh = driver.createProducer({ runtime, logger, transactionalId, transactionTimeoutMs })
    await fresh.connect()
    return (producer = fresh)
  }

  const inTransaction = async (
    rows: readonly RowInHand[],
    batchOf: (rows: readonly RowInHand[]) => ProduceBatch,
  ): Promise<readonly ProduceOutcome[]> => {
    const batches = byPartition(rows)
    await runtime.failpoint('relay:before-produce')
    const transaction = await (await connected()).begin()
    // Looked at again only now: a worker that takes the bucket later begins later, and fences this transaction off. Before the begin it could have been
    // taken already, and this begin would fence off the one that has it.
    if (!rows.every(({ held }) => held.open && clock.monotonic() < held.safeUntil)) {
      await transaction.abort()
      throw new HoldfastError('HOLDFAST_UNAVAILABLE', 'the lease ran out before the transaction had begun', {
        retriable: true,
      })
    }
    const outcomes = new Map<RowInHand, ProduceOutcome>()
    try {
      await Promise.all(
        batches.map(async (batch) => {
          const each = await transaction.produce(batchOf(batch), { timeoutMs: deliveryTimeoutMs })
          for (const [i, row] of batch.entries()) outcomes.set(row, each[i]!)
        }),
      )
      if ([...outcomes.values()].every(({ ok }) => ok)) await transaction.commit()
      else {
        await transaction.abort()
        const error = new HoldfastError(
          'HOLDFAST_TRANSACTION_ABORTED',
          'another row of the transaction could not be sent',
        )
        for (const [row, outcome] of outcomes) if (outcome.ok) outcomes.set(row, { ok: false, error })
      }
    } catch (error) {
      await transaction.abort() // else the next one could never begin
      throw error
    }
    await runtime.failpoint('relay:after-produce')
    return rows.map((row) => outcomes.get(row)!)
  }

  return {
    send: (rows) =>
      observed(rows, settings, async (batchOf) => {
        try {
          return await inTransaction(rows, batchOf)
        } catch (error) {
          // What is said of the transaction is said of no row: none of them is refused by it.
          if (HoldfastError.is(error) && OF_THE_TRANSACTION.has(error.code))
            throw new HoldfastError('HOLDFAST_UNAVAILABLE', error.message, { retriable: true, cause: error })
          if (!HoldfastError.is(error, 'HOLDFAST_FENCED')) throw error
          void producer?.close({ timeoutMs: 0 })
          producer = null
          onFenced(rows[0]!.held)
          throw error
        }
      }),
    async close(timeoutMs) {
      await producer?.close({ timeoutMs })
    },
  }
}

const OF_THE_TRANSACTION: ReadonlySet<ErrorCode> = new Set([
  'HOLDFAST_TRANSACTION_ABORTED',
  ...REFUSES_A_RECORD,
  ...KNOWS_NO_SUCH_PLACE,
])

function byPartition(rows: readonly RowInHand[]): readonly (readonly RowInHand[])[] {
  const batches = new Map<string, RowInHand[]>()
  for (const row of rows) {
    const name = formatPartition({ topic: row.row.topic, partition: row.partition })
    const batch = batches.get(name)
    if (batch === undefined) batches.set(name, [row])
    else batch.push(row)
  }
  return [...batches.values()]
}

/** Watches a batch, and gives an outcome to each row whatever happens. */
async function observed(
  rows: readonly RowInHand[],
  { telemetry, compression }: RelaySettings,
  send: (batchOf: (rows: readonly RowInHand[]) => ProduceBatch) => Promise<readonly ProduceOutcome[]>,
): Promise<readonly ProduceOutcome[]> {
  const observations =
    telemetry === noTelemetry ? null : rows.map(({ row }) => telemetry.sending(describeMessage(row), row.headers))
  const batchOf = (batch: readonly RowInHand[]): ProduceBatch => {
    const { row, partition } = batch[0]!
    return { topic: row.topic, partition, records: batch.map(recordOf), compression }
  }
  let outcomes: readonly ProduceOutcome[]
  try {
    outcomes = await send(batchOf)
  } catch (error) {
    outcomes = rows.map(() => ({ ok: false, error: asHoldfastError(error) }))
  }
  const all = rows.map((_, i) => outcomes[i] ?? { ok: false as const, error: asHoldfastError(undefined) })
  if (observations !== null) for (const [i, each] of observations.entries()) tell(each, rows[i]!, all[i]!)
  return all
}

function tell(observation: SendObservation, { partition }: RowInHand, outcome: ProduceOutcome): void {
  if (outcome.ok) observation.succeeded(partition, outcome.offset)
  else observation.failed(outcome.error.code)
}

function recordOf({ row, partition }: RowInHand): OutboundRecord {
  const { topic, key, value, headers, timestamp } = row
  return { topic, partition, key, value, headers, timestamp }
}

/** Whatever it is, what was handed over may have been written. */
function asHoldfastError(error: unknown): HoldfastError {
  if (HoldfastError.is(error)) return error
  return new HoldfastError(
    'HOLDFAST_INDETERMINATE',
    'a produce call ended without an outcome: it may or may not have been written',
    {
      retriable: true,
      cause: error,
    },
  )
}
