import { describeError, describeForLog, errorTypeOf } from '../errors/index.ts'
import { formatPosition } from '../record/index.ts'
import { backoffDelay } from '../retry/index.ts'
import type { ProcessObservation, Telemetry } from '../telemetry/index.ts'
import type { Delivery } from './delivery.ts'
import { reportForgedHeaders } from './forged-headers.ts'
import { goOn, OUTAGE, pausePartition, waitInLane } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'
import { processRecord } from './process-record.ts'
import type { RecordOutcome, Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'

/** What has come of a record, or not. */
type Processed = RecordOutcome | Unfinished

/**
 * Makes the function that takes a record to its end: again and again, until it has its outcome or its epoch has stopped. Null when it has ended at once;
 * else resolves when it has. `end` is told before. Never rejects.
 */
export function createRecordRun(
  pipeline: Pipeline,
  telemetry: Pick<Telemetry, 'processing'>,
  end: (delivery: Delivery, outcome: Processed) => void,
): (delivery: Delivery) => Promise<void> | null {
  const { epoch, runtime, logger } = pipeline
  const { clock } = runtime

  const begin = (delivery: Delivery, now: number): Processed | Promise<Processed> => {
    delivery.since = now
    delivery.observation = telemetry.processing(delivery)
    try {
      return processRecord(delivery, pipeline)
    } catch (thrown) {
      return Promise.reject(thrown as Error)
    }
  }

  const isEnd = ({ kind }: Processed): boolean => kind !== 'unfinished' || epoch.stopped

  const runOn = async (delivery: Delivery, first: Processed | Promise<Processed>, firstAt: number): Promise<void> => {
    let outcome: Processed
    let [begun, begunAt] = [first, firstAt]
    for (let troubles = 0, losses = 0; ;) {
      try {
        outcome = await begun
        observeEnd(delivery.observation, outcome)
        if (isEnd(outcome)) break
        if (outcome.kind === 'unfinished' && outcome.because === 'lease-lost')
          await afterLostLease(delivery, ++losses, begunAt)
      } catch (thrown) {
        // Something that should not: a bug of ours, or of what was handed in. It fails closed: tried again for ever, and health says so.
        delivery.observation.ended('unfinished', errorTypeOf(describeError(thrown)))
        logger.error(
          { record: formatPosition(delivery.record), error: describeForLog(thrown) },
          'a record could not be processed; it is tried again',
        )
        await afterTrouble(delivery, ++troubles)
        outcome = unfinished('stopping')
      }
      if (epoch.stopped) break
      delivery.again = true
      begunAt = clock.monotonic()
      begun = begin(delivery, begunAt)
    }
    end(delivery, outcome)
  }

  const afterTrouble = (delivery: Delivery, troubles: number): Promise<void> => {
    pausePartition(delivery, pipeline, `${formatPosition(delivery.record)} could not be processed; it is tried again`)
    return waitFor(delivery, backoffDelay(OUTAGE, troubles, runtime.random()))
  }

  /** Once is everyday: somebody else began the message. A store that forgets its leases would have the handler called without end. */
  const afterLostLease = async (delivery: Delivery, losses: number, begunAt: number): Promise<void> => {
    if (losses === 1) return
    const pauseMs = backoffDelay(OUTAGE, losses - 1, runtime.random()) - (clock.monotonic() - begunAt)
    if (pauseMs <= 0) return // the handler has taken as long itself
    const record = formatPosition(delivery.record)
    logger.warn(
      { record, losses, delayMs: Math.round(pauseMs) },
      'a message lost its dedupe lease again; it begins anew',
    )
    const reason = `${record} loses its dedupe lease again and again: its handler is called each time`
    waitInLane(delivery, pipeline, { reason, unhealthy: true })
    await waitFor(delivery, pauseMs)
  }

  const waitFor = async (delivery: Delivery, ms: number): Promise<void> => {
    const stop = epoch.ownStop()
    try {
      await clock.sleep(ms, stop.signal)
    } catch {
      // it has stopped
    } finally {
      stop.forget()
      goOn(delivery, pipeline)
    }
  }

  return (delivery) => {
    const begunAt = clock.monotonic()
    reportForgedHeaders(delivery.record, pipeline)
    const outcome = begin(delivery, begunAt)
    if (outcome instanceof Promise || !isEnd(outcome)) return runOn(delivery, outcome, begunAt)
    observeEnd(delivery.observation, outcome)
    end(delivery, outcome)
    return null
  }
}

function observeEnd(observation: ProcessObservation, outcome: Processed): void {
  if (outcome.kind === 'unfinished') observation.ended('unfinished', outcome.because)
  else if (outcome.kind === 'parked') observation.ended('parked', outcome.errorType)
  else observation.ended(outcome.kind)
}
