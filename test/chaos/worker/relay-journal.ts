import type {
  Driver,
  DriverProducer,
  DriverTransaction,
  ProduceBatch,
  ProduceOutcome,
} from '../../../src/driver/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import type { BucketLease, OutboxStore, RelayStore, RowPlace } from '../../../src/outbox/index.ts'
import { headerText, MESSAGE_HEADERS } from '../../../src/record/index.ts'
import type { Journal } from '../history/index.ts'

/** A driver that writes down what its producers send, and how that ends. */
export function journalingProducers(driver: Driver, journal: Pick<Journal, 'write'>): Driver {
  let batches = 0
  const sending = ({ topic, partition, records }: ProduceBatch): Sending => {
    const ids = records.map(({ headers }) => headerText(headers, MESSAGE_HEADERS.id) ?? '')
    const batch = ++batches
    journal.write({ f: 'relay-send', batch, topic, partition, ids })
    return { batch, ids }
  }
  const answered = ({ batch, ids }: Sending, outcomes: readonly ProduceOutcome[], code?: string): void => {
    const ok = code === undefined ? ids.flatMap((id, i) => offsetOf(id, outcomes[i])) : []
    const failed = outcomes.find((outcome) => !outcome.ok)
    const why = code ?? (failed?.ok === false ? failed.error.code : undefined)
    journal.write({
      f: 'relay-answer',
      batch,
      acked: ok.map(({ id }) => id),
      offsets: ok.map(({ offset }) => offset),
      ...(why === undefined ? {} : { code: why }),
    })
  }

  const watchTransaction = (transaction: DriverTransaction): DriverTransaction => {
    const sent: { readonly sending: Sending; outcomes: readonly ProduceOutcome[] }[] = []
    const all = (code?: string): void => {
      for (const each of sent) answered(each.sending, each.outcomes, code)
    }
    return {
      async produce(batch, options) {
        const own = { sending: sending(batch), outcomes: [] as readonly ProduceOutcome[] }
        sent.push(own)
        return (own.outcomes = await transaction.produce(batch, options))
      },
      async commit() {
        try {
          await transaction.commit()
        } catch (error) {
          all(codeOf(error))
          throw error
        }
        all()
      },
      async abort() {
        await transaction.abort()
        const failed = sent.flatMap(({ outcomes }) => outcomes).find(({ ok }) => !ok)
        const isFenced = failed?.ok === false && failed.error.code === 'HOLDFAST_FENCED'
        all(isFenced ? 'HOLDFAST_FENCED' : 'HOLDFAST_TRANSACTION_ABORTED')
      },
    }
  }

  const watched = (producer: DriverProducer): DriverProducer => ({
    connect: () => producer.connect(),
    partitionCount: (topic) => producer.partitionCount(topic),
    forgetPartitions: (topic) => producer.forgetPartitions(topic),
    async produce(batch, options) {
      const own = sending(batch)
      const outcomes = await producer.produce(batch, options)
      answered(own, outcomes)
      return outcomes
    },
    async begin() {
      try {
        return watchTransaction(await producer.begin())
      } catch (error) {
        answered({ batch: ++batches, ids: [] }, [], codeOf(error)) // nothing was sent
        throw error
      }
    },
    close: (options) => producer.close(options),
  })

  return { ...driver, createProducer: (options) => watched(driver.createProducer(options)) }
}

/** A batch that was handed over. */
interface Sending {
  readonly batch: number
  readonly ids: readonly string[]
}

/** A store that writes down what its relay marks, and which buckets it has. */
export function journalingRelayStore<Transaction>(
  store: OutboxStore<Transaction>,
  journal: Pick<Journal, 'write'>,
): OutboxStore<Transaction> {
  const { relay } = store
  const ids = new Map<string, string>()
  const held = new Map<number, bigint>()
  const changed = (change: 'taken' | 'lost' | 'released', bucket: number, epoch: bigint): void =>
    journal.write({ f: 'bucket', change, bucket, epoch })
  const gone = (change: 'lost' | 'released', bucket: number): void => {
    const epoch = held.get(bucket)
    if (epoch === undefined) return
    held.delete(bucket)
    changed(change, bucket, epoch)
  }
  const watched: RelayStore = {
    ...relay,
    async lease(worker, leaseMs) {
      const round = await relay.lease(worker, leaseMs)
      const now = new Map(round.leases.map(({ bucket, epoch }) => [bucket, epoch]))
      for (const [bucket, epoch] of held) if (now.get(bucket) !== epoch) gone('lost', bucket)
      for (const [bucket, epoch] of now) {
        if (held.has(bucket)) continue
        held.set(bucket, epoch)
        changed('taken', bucket, epoch)
      }
      return round
    },
    release(leases: readonly BucketLease[]) {
      // One that was lost and taken again meanwhile is not given back: the store fences by the epoch.
      for (const { bucket, epoch } of leases) if (held.get(bucket) === epoch) gone('released', bucket)
      return relay.release(leases)
    },
    leave(worker) {
      for (const bucket of held.keys()) gone('released', bucket)
      return relay.leave(worker)
    },
    async fetch(ranges, limits) {
      const rows = await relay.fetch(ranges, limits)
      for (const row of rows) ids.set(nameOf(row), row.id)
      return rows
    },
    async sent(rows, fence) {
      const marked = rows.map((row) => ids.get(nameOf(row)) ?? '')
      journal.write({ f: 'relay-mark', phase: 'invoke', ids: marked })
      try {
        await relay.sent(rows, fence)
      } catch (error) {
        journal.write({ f: 'relay-mark', phase: 'info', ids: marked })
        throw error
      }
      journal.write({ f: 'relay-mark', phase: 'ok', ids: marked })
      for (const row of rows) ids.delete(nameOf(row))
    },
  }
  return { ...store, relay: watched }
}

function nameOf({ bucket, rowId }: RowPlace): string {
  return `${bucket}/${rowId}`
}

function offsetOf(id: string, outcome: ProduceOutcome | undefined): { readonly id: string; readonly offset: string }[] {
  return outcome?.ok === true ? [{ id, offset: String(outcome.offset) }] : []
}

function codeOf(error: unknown): string {
  return HoldfastError.is(error) ? error.code : 'unknown'
}
