import { metrics } from '@opentelemetry/sdk-node'
import { expect, test } from 'vitest'
import { openTelemetry } from '../../../src/telemetry/otel/index.ts'
import type { RelayMeasurements } from '../../../src/telemetry/index.ts'

/** Collects when it is asked to. */
class OnDemand extends metrics.MetricReader {
  override async onForceFlush(): Promise<void> {}
  override async onShutdown(): Promise<void> {}
}

async function valuesOf(reader: metrics.MetricReader): Promise<Record<string, unknown>> {
  const { resourceMetrics } = await reader.collect()
  const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
  return Object.fromEntries(
    all.flatMap(({ descriptor, dataPoints }) => dataPoints.map(({ value }) => [descriptor.name, value])),
  )
}

test('a relay shows how its outbox and itself stand, until it is closed', async () => {
  const reader = new OnDemand()
  const meterProvider = new metrics.MeterProvider({ readers: [reader] })
  let now: RelayMeasurements = { worker: 'w', published: 7, underWay: 3, buckets: 64, outbox: null }
  const end = openTelemetry({ meterProvider }).relaying!(() => now)
  expect(await valuesOf(reader)).toEqual({
    'holdfast.relay.published': 7,
    'holdfast.relay.under_way': 3,
    'holdfast.relay.buckets': 64,
  })
  now = { ...now, outbox: { waiting: 12, oldestAgeMs: 2_500, parked: 1, behind: 4 } }
  expect(await valuesOf(reader)).toMatchObject({
    'holdfast.outbox.waiting': 12,
    'holdfast.outbox.oldest.age': 2.5,
    'holdfast.outbox.parked': 1,
    'holdfast.outbox.behind': 4,
  })
  end()
  now = { ...now, outbox: { waiting: 99, oldestAgeMs: 0, parked: 0, behind: 0 } }
  expect((await valuesOf(reader))['holdfast.outbox.waiting']).not.toBe(99)
})
