import type { Clock, Timer } from '../../clock/index.ts'
import type { ProduceBatch } from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { Broker } from './broker.ts'
import { pauseAfter } from './patiently.ts'
import type { ProducerIdentity } from './producer-identity.ts'
import { isPassing, refusals } from './refusals.ts'
import type { OpenTransaction } from './transactions.ts'

/** What a call needs of its producer. */
export interface ProduceCallParts {
  readonly broker: Broker
  readonly clientId: string
  readonly clock: Clock
  /** Throws unless the producer may write; asked where the batch arrives. */
  readonly check: () => void
  /** Null outside of transactions. */
  readonly transaction: OpenTransaction | null
  /** Whose sequence numbers the batch gets; another one after {@link ProduceCallParts.renew}. */
  readonly identity: () => ProducerIdentity
  /** This identity must not be used any more: the broker's numbers are not those of the producer. */
  readonly renew: (identity: ProducerIdentity) => void
}

/**
 * Writes a batch; answers with its first offset. As a real producer it sends again, under the same sequence number, what was lost on the
 * way, until its time is over.
 *
 * @throws HOLDFAST_INDETERMINATE when it may be on the log; every other refusal means that it is not.
 */
export async function produceCall(parts: ProduceCallParts, batch: ProduceBatch, timeoutMs: number): Promise<bigint> {
  const { broker, clientId, clock, transaction } = parts
  const deadline = clock.monotonic() + timeoutMs
  const place = formatPartition(batch)
  let identity = parts.identity()
  let origin = identity.reserve(place, batch.records.length)
  let doubt = false
  const unknown = (): HoldfastError => {
    parts.renew(identity)
    return refusals.indeterminate(`a produce call to ${batch.topic}`)
  }

  const arrive = (): bigint | 'out-of-order' | 'unknown' => {
    parts.check()
    const failure = broker.failures.produce.take(batch.topic)
    if (failure === 'refused') throw refusals.refused(`a produce call to ${batch.topic} was refused`)
    if (failure === 'unavailable') throw refusals.unavailable(`a produce call to ${batch.topic}`)
    if (failure === 'request-lost') throw refusals.lost(clientId)
    if (failure === 'indeterminate-lost') return 'unknown'
    const offset = broker.append(batch, transaction?.fate ?? null, origin)
    transaction?.touched.add(broker.log(batch))
    if (failure === 'answer-lost') throw refusals.lost(clientId)
    return failure === 'indeterminate-written' ? 'unknown' : offset
  }

  for (let attempts = 1; ; attempts++) {
    try {
      const answer = await inTime(clock, deadline - clock.monotonic(), (isLate) =>
        broker.request(clientId, () => {
          if (isLate()) throw refusals.lost(clientId) // its connection was closed, it arrives nowhere
          return arrive()
        }),
      )
      if (answer === 'late' || answer === 'unknown') throw unknown()
      if (answer !== 'out-of-order') return answer
      parts.renew(identity)
      if (doubt || transaction !== null) throw unknown()
      identity = parts.identity()
      origin = identity.reserve(place, batch.records.length)
    } catch (error) {
      if (HoldfastError.is(error, 'HOLDFAST_INDETERMINATE') && !isPassing(error)) throw error
      doubt ||= isPassing(error)
      if (!doubt) {
        if (!identity.giveBack(place, origin, batch.records.length)) parts.renew(identity)
        throw error
      }
      // Refused now, perhaps written before: only the same batch again would tell.
      const isForNow = isPassing(error) || HoldfastError.is(error, 'HOLDFAST_UNAVAILABLE')
      if (!isForNow || clock.monotonic() + pauseAfter(attempts) >= deadline) throw unknown()
    }
    await clock.sleep(pauseAfter(attempts))
  }
}

async function inTime<T>(clock: Clock, ms: number, ask: (isLate: () => boolean) => Promise<T>): Promise<T | 'late'> {
  let late = false
  let timer: Timer | undefined
  const over = new Promise<'late'>((resolve) => {
    timer = clock.after(ms, () => {
      late = true
      resolve('late')
    })
  })
  try {
    return await Promise.race([ask(() => late), over])
  } finally {
    timer!.cancel()
  }
}
