import type { BatchObservableResult, MeterProvider, Observable } from '@opentelemetry/api'
import { metrics } from '@opentelemetry/api'
import type { RelayMeasurements } from '../telemetry.ts'

/**
 * Shows how an outbox and one of its relays stand, as metrics. Those of the outbox are of the whole outbox, and alike from every relay: take the
 * greatest of them, not the sum.
 *
 * @param provider - @defaultValue the one that is registered with OpenTelemetry's API when the relay starts; without one nothing is measured
 * @returns what ends it.
 */
export function measureRelay(
  read: () => RelayMeasurements,
  provider: MeterProvider = metrics.getMeterProvider(),
): () => void {
  const meter = provider.getMeter('holdfast')
  const gauge = (name: string, unit: string, description: string): Observable =>
    meter.createObservableGauge(`holdfast.${name}`, { unit, description })
  const published = meter.createObservableCounter('holdfast.relay.published', {
    unit: '{row}',
    description: 'Rows that Kafka has acknowledged to this relay',
  })
  const underWay = gauge('relay.under_way', '{row}', 'Rows that this relay has read and not yet marked')
  const buckets = gauge('relay.buckets', '{bucket}', 'Buckets of keys that this relay holds')
  const waiting = gauge('outbox.waiting', '{row}', 'Rows of the outbox that wait to be sent')
  const oldestAge = gauge('outbox.oldest.age', 's', 'Since when the oldest row of the outbox waits')
  const parked = gauge('outbox.parked', '{row}', 'Rows that Kafka has refused: each holds its key up')
  const behind = gauge('outbox.behind', '{row}', 'Rows that wait behind a refused one of their key')

  const all = [published, underWay, buckets, waiting, oldestAge, parked, behind]
  const observe = (result: BatchObservableResult): void => {
    const now = read()
    const attributes = { 'holdfast.relay.worker': now.worker }
    result.observe(published, now.published, attributes)
    result.observe(underWay, now.underWay, attributes)
    result.observe(buckets, now.buckets, attributes)
    if (now.outbox === null) return
    result.observe(waiting, now.outbox.waiting, attributes)
    result.observe(oldestAge, (now.outbox.oldestAgeMs ?? 0) / 1_000, attributes)
    result.observe(parked, now.outbox.parked, attributes)
    result.observe(behind, now.outbox.behind, attributes)
  }
  meter.addBatchObservableCallback(observe, all)
  return () => meter.removeBatchObservableCallback(observe, all)
}
