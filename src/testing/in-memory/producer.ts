import type {
  DriverProducer,
  DriverProducerOptions,
  DriverTransaction,
  ProduceBatch,
  ProduceOutcome,
} from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Broker } from './broker.ts'
import { patiently } from './patiently.ts'
import { isPassing, refusals } from './refusals.ts'
import type { ProduceCallParts } from './produce-call.ts'
import { produceCall } from './produce-call.ts'
import type { ProducerIdentity } from './producer-identity.ts'
import { createProducerIdentity } from './producer-identity.ts'
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
  let identity: ProducerIdentity | null = null
  let cut = false

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
    timeoutMs: number,
    own: Pick<ProduceCallParts, 'transaction' | 'check' | 'identity' | 'renew'>,
  ): Promise<readonly ProduceOutcome[]> => {
    try {
      refuseUnlessConnected()
      const base = await produceCall({ broker, clientId, clock, ...own }, batch, timeoutMs)
      return batch.records.map((_, i) => ({ ok: true, offset: base + BigInt(i) }))
    } catch (error) {
      return batch.records.map(() => ({ ok: false, error: asHoldfastError(error) }))
    }
  }

  /** The numbers of a producer that may be wrong are left behind with its id: the cluster gives another one. */
  const renew = (stale: ProducerIdentity): void => {
    if (identity === stale) identity = null
  }

  const transactionOf = (
    id: string,
    ofEpoch: number,
    open: OpenTransaction,
    mine: ProducerIdentity,
  ): DriverTransaction => {
    let phase: 'open' | 'failed' | 'over' = 'open'
    let inDoubt = false
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
      async produce(batch, { timeoutMs }) {
        const doubt = (): void => void (inDoubt = true)
        const outcomes = await tracked(
          write(batch, timeoutMs, { transaction: open, check, identity: () => mine, renew: doubt }),
        )
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
            startOver()
          }
          throw error
        }
      },
      async abort() {
        if (phase === 'over') return
        over()
        if (inDoubt) startOver()
        try {
          await tracked(broker.request(clientId, () => broker.transactions.end(id, open, 'aborted')))
        } catch {
          startOver() // the next begin fences, and so rolls back, what could not be reached now
        }
      },
    }
    return transaction
  }

  const beginOnce = async (id: string): Promise<DriverTransaction> => {
    try {
      return await broker.request(clientId, () => {
        if (epoch === null) identity = createProducerIdentity(id, (epoch = broker.transactions.initialise(id)))
        try {
          const open = broker.transactions.begin(id, epoch, transactionTimeoutMs)
          return transactionOf(id, epoch, open, identity!)
        } catch (error) {
          fenced = true
          throw error
        }
      })
    } catch (error) {
      if (isPassing(error)) startOver() // it may be open: the next one rolls it back
      throw error
    }
  }

  /** The next transaction gets a new epoch: it fences whatever of this producer is still on its way. */
  const startOver = (): void => {
    epoch = null
    identity = null
  }

  return {
    async connect() {
      if (state === 'closed') throw refusals.closed('the producer is closed')
      await patiently(clock, () => broker.request(clientId, () => {}))
      state = 'connected'
    },

    async partitionCount(topic) {
      refuseUnlessConnected()
      const known = counts.get(topic)
      if (known !== undefined && clock.monotonic() - known.at < PARTITION_COUNT_AGE_MS) return known.count
      const count = await patiently(clock, () => broker.request(clientId, () => broker.topic(topic).length))
      counts.set(topic, { count, at: clock.monotonic() })
      return count
    },

    forgetPartitions: (topic) => void counts.delete(topic),

    produce(batch, { timeoutMs }) {
      const check = (): void => {
        if (transactionalId !== undefined)
          throw refusals.unsupported('a transactional producer writes in transactions alone')
        if (cut) throw refusals.closed('the producer is closed')
      }
      const known = (): ProducerIdentity => (identity ??= createProducerIdentity(`producer-${broker.nextId()}`, 0))
      return tracked(write(batch, timeoutMs, { transaction: null, check, identity: known, renew }))
    },

    async begin() {
      refuseUnlessConnected()
      if (transactionalId === undefined) throw refusals.unsupported('begin() needs a transactionalId')
      if (fenced) throw refusals.fenced(transactionalId)
      if (current !== null) throw refusals.refused('a transaction is under way: one at a time')
      const opening = { abort: async () => {} }
      current = opening // what begins meanwhile is refused
      try {
        const begun = await tracked(patiently(clock, () => beginOnce(transactionalId)))
        current = begun
        return begun
      } finally {
        if (current === opening) current = null
      }
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
      cut = true
    },
  }
}

function asHoldfastError(error: unknown): HoldfastError {
  if (HoldfastError.is(error)) return error
  throw error // a bug of the model, which an outcome would hide
}
