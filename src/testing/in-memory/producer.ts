import type {
  DriverProducer,
  DriverProducerOptions,
  DriverTransaction,
  ProduceBatch,
  ProduceOutcome,
} from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Broker } from './broker.ts'
import { refusals } from './refusals.ts'
import type { OpenTransaction } from './transactions.ts'

const PARTITION_COUNT_AGE_MS = 300_000 // Java's metadata.max.age.ms
const TRANSACTION_TIMEOUT_MS = 60_000 // Java's transaction.timeout.ms

/** Makes a producer of the in-memory driver. */
export function createInMemoryProducer(
  broker: Broker,
  clientId: string,
  options: DriverProducerOptions,
): DriverProducer {
  const { clock } = options.runtime
  const { transactionalId, transactionTimeoutMs = TRANSACTION_TIMEOUT_MS } = options
  const counts = new Map<string, { readonly count: number; readonly at: number }>()
  const underWay = new Set<Promise<unknown>>()
  let state: 'new' | 'connected' | 'closed' = 'new'
  let epoch: number | null = null
  let fenced = false
  let current: { abort(): Promise<void> } | null = null

  const refuseUnlessConnected = (): void => {
    if (state !== 'connected')
      throw refusals.closed(state === 'new' ? 'connect() comes first' : 'the producer is closed')
  }

  const tracked = <T>(work: Promise<T>): Promise<T> => {
    const ended = work.then(
      () => void underWay.delete(ended),
      () => void underWay.delete(ended),
    )
    underWay.add(ended)
    return work
  }

  const write = async (
    batch: ProduceBatch,
    transaction: OpenTransaction | null,
    check: () => void,
  ): Promise<readonly ProduceOutcome[]> => {
    try {
      refuseUnlessConnected()
      const base = await broker.request(clientId, () => {
        check()
        const failure = broker.failures.produce.take(batch.topic)
        if (failure === 'refused') throw refusals.refused(`a produce call to ${batch.topic} was refused`)
        if (failure === 'unavailable') throw refusals.unavailable(`a produce call to ${batch.topic}`)
        if (failure === 'indeterminate-lost') throw refusals.indeterminate(`a produce call to ${batch.topic}`)
        const offset = broker.append(batch, transaction?.fate ?? null)
        transaction?.touched.add(broker.log(batch))
        if (failure === 'indeterminate-written') throw refusals.indeterminate(`a produce call to ${batch.topic}`)
        return offset
      })
      return batch.records.map((_, i) => ({ ok: true, offset: base + BigInt(i) }))
    } catch (error) {
      return batch.records.map(() => ({ ok: false, error: asHoldfastError(error) }))
    }
  }

  const transactionOf = (id: string, ofEpoch: number, open: OpenTransaction): DriverTransaction => {
    let phase: 'open' | 'failed' | 'over' = 'open'
    const check = (): void => {
      try {
        broker.transactions.check(id, ofEpoch, open)
      } catch (error) {
        fenced ||= HoldfastError.is(error, 'HOLDFAST_FENCED')
        throw error
      }
      if (phase !== 'open') throw refusals.transactionAborted(id)
    }
    const over = (): void => {
      phase = 'over'
      if (current === transaction) current = null
    }
    const transaction: DriverTransaction = {
      async produce(batch) {
        const outcomes = await tracked(write(batch, open, check))
        if (outcomes.some(({ ok }) => !ok) && phase === 'open') phase = 'failed'
        return outcomes
      },
      async commit() {
        try {
          await tracked(
            broker.request(clientId, () => {
              check()
              const failure = broker.failures.transactionCommit.take(id)
              if (failure === 'refused') throw refusals.transactionAborted(id)
              if (failure === 'unavailable') throw refusals.unavailable(`the commit of ${id}`)
              if (failure !== 'indeterminate-lost') broker.transactions.end(id, open, 'committed')
              if (failure !== undefined) throw refusals.indeterminate(`the commit of ${id}`)
            }),
          )
          over()
        } catch (error) {
          if (phase === 'open') phase = 'failed'
          if (HoldfastError.is(error, 'HOLDFAST_INDETERMINATE')) {
            over() // nobody may decide it twice: an abort could hit the next transaction
            epoch = null
          }
          throw error
        }
      },
      async abort() {
        if (phase === 'over') return
        over()
        try {
          await tracked(broker.request(clientId, () => broker.transactions.end(id, open, 'aborted')))
        } catch {
          epoch = null // the next begin fences, and so rolls back, what could not be reached now
        }
      },
    }
    return transaction
  }

  return {
    async connect() {
      if (state === 'closed') throw refusals.closed('the producer is closed')
      await broker.request(clientId, () => {})
      state = 'connected'
    },

    async partitionCount(topic) {
      refuseUnlessConnected()
      const known = counts.get(topic)
      if (known !== undefined && clock.monotonic() - known.at < PARTITION_COUNT_AGE_MS) return known.count
      const count = await broker.request(clientId, () => broker.topic(topic).length)
      counts.set(topic, { count, at: clock.monotonic() })
      return count
    },

    forgetPartitions: (topic) => void counts.delete(topic),

    produce(batch) {
      return tracked(
        write(batch, null, () => {
          if (transactionalId !== undefined)
            throw refusals.unsupported('a transactional producer writes in transactions alone')
        }),
      )
    },

    async begin() {
      refuseUnlessConnected()
      if (transactionalId === undefined) throw refusals.unsupported('begin() needs a transactionalId')
      if (fenced) throw refusals.fenced(transactionalId)
      return tracked(
        broker.request(clientId, () => {
          if (current !== null) throw refusals.refused('a transaction is under way: one at a time')
          epoch ??= broker.transactions.initialise(transactionalId)
          try {
            const transaction = transactionOf(
              transactionalId,
              epoch,
              broker.transactions.begin(transactionalId, epoch, transactionTimeoutMs),
            )
            current = transaction
            return transaction
          } catch (error) {
            fenced = true
            throw error
          }
        }),
      )
    },

    async close({ timeoutMs }) {
      if (state === 'closed') return
      const wasConnected = state === 'connected'
      const deadline = new AbortController()
      const drained = Promise.all([...underWay, wasConnected ? current?.abort() : undefined]).then(() =>
        deadline.abort(),
      )
      state = 'closed'
      await Promise.race([drained, clock.sleep(timeoutMs, deadline.signal).catch(() => {})])
    },
  }
}

function asHoldfastError(error: unknown): HoldfastError {
  if (HoldfastError.is(error)) return error
  throw error // a bug of the model, which an outcome would hide
}
