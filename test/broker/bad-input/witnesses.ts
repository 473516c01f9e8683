import { metrics } from '@opentelemetry/api'
import { metrics as sdk } from '@opentelemetry/sdk-node'
import { onTestFinished } from 'vitest'
import type { Logger } from '../../../src/logger/index.ts'
import { registerSdk, unregisterSdk } from '../../telemetry/otel/recorded-spans.ts'

/** Everything that a service shows of itself to those who run it. */
export interface Witnesses {
  readonly logger: Logger
  /** What was logged, one entry a line. */
  readonly lines: readonly { readonly fields: object; readonly message: string }[]
  /** All spans that have ended: names, attributes, events, status. */
  spans(): readonly object[]
  /** All metrics, with their attributes and descriptions. */
  measured(): Promise<readonly object[]>
}

/** Registers an SDK for spans and metrics, kept in memory, and takes it off again with the test. */
export function callWitnesses(): Witnesses {
  const spans = registerSdk()
  const exporter = new sdk.InMemoryMetricExporter(sdk.AggregationTemporality.CUMULATIVE)
  const reader = new sdk.PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 31 - 1 })
  metrics.setGlobalMeterProvider(new sdk.MeterProvider({ readers: [reader] }))
  onTestFinished(async () => {
    unregisterSdk()
    metrics.disable()
    await reader.shutdown()
  })
  const lines: Witnesses['lines'][number][] = []
  const take = (fields: object, message: string): void => void lines.push({ fields, message })
  return {
    logger: { debug: take, info: take, warn: take, error: take },
    lines,
    spans: () =>
      spans
        .finished()
        .map(({ name, attributes, events, status, links }) => ({ name, attributes, events, status, links })),
    async measured() {
      await reader.forceFlush()
      return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics: each }) => each))
    },
  }
}
