import type { AuditOptions, AuditReport, Driver, HoldfastConfig } from 'holdfast'
import { audit, HoldfastError, systemRuntime, topicRecords } from 'holdfast'
import type { AuditConnection } from 'holdfast/postgres'
import { inboxMarks, outboxRows } from 'holdfast/postgres'
import { progressLine } from './audit-progress.ts'
import { auditReportJson, auditReportText } from './audit-report-text.ts'
import type { AuditCommandOptions, AuditRequest } from './audit-request.ts'
import { auditRequest } from './audit-request.ts'
import { databaseAddress } from './database-address.ts'
import { databaseFailure } from './database-failure.ts'
import { EXIT } from './exit-codes.ts'
import { loadConfiguration, untilStopped } from './load-configuration.ts'
import { paintFor } from './paint.ts'
import type { PgClient } from './pg-client.ts'
import { loadPg, pgClient } from './pg-client.ts'
import type { CliSurroundings } from './surroundings.ts'

export type { AuditCommandOptions } from './audit-request.ts'

/** How long a stop may take. */
const STOP_WITHIN_MS = 5_000

/** Compares two sides and prints what it has found. A finding is exit code 1. */
export async function auditCommand(options: AuditCommandOptions, surroundings: CliSurroundings): Promise<number> {
  const { output, errors, environment, signal } = surroundings
  const { config } = await loadConfiguration(surroundings, options.config)
  const request = auditRequest(options, config, systemRuntime.clock.now())
  const driver = request.brokers === null ? config.driver! : await driverOf(request.brokers)
  const line = options.json === true ? null : progressLine(errors, paintFor(errors, environment))
  let report: AuditReport
  try {
    report = await withDatabase(request, options, config, surroundings, (connection) =>
      audit({
        ...sidesOf(request, driver, connection),
        ...(request.sinceMs !== null && { sinceMs: request.sinceMs }),
        ...(request.untilMs !== null && { untilMs: request.untilMs }),
        graceMs: request.graceMs,
        memoryBytes: request.memoryBytes,
        show: request.show,
        extra: request.extra,
        keys: options.keys === true,
        signal,
        onProgress: (progress) => line?.show(progress),
      }),
    )
  } finally {
    line?.clear()
  }
  output.write(options.json === true ? auditReportJson(report) : auditReportText(report, paintFor(output, environment)))
  return report.clean ? EXIT.fine : EXIT.broken
}

/** Loaded here alone: the other commands need no Kafka client. */
async function driverOf(brokers: readonly string[]): Promise<Driver> {
  const { kafkajsDriver } = await import('holdfast/kafkajs')
  return kafkajsDriver({ clientId: 'holdfast-audit', brokers: [...brokers] })
}

function sidesOf(
  { sides, schema, graceMs, source }: AuditRequest,
  driver: Driver,
  connection: AuditConnection | null,
): Pick<AuditOptions, 'from' | 'to'> {
  const ofSource = source === null ? {} : { source }
  if (sides.kind === 'topic-topic')
    return { from: topicRecords(driver, sides.from), to: topicRecords(driver, sides.to, ofSource) }
  const { topic, table } = sides
  if (sides.kind === 'outbox-topic')
    return {
      from: outboxRows(connection!, { topic, schema, table, sentWithinMs: graceMs }),
      to: topicRecords(driver, topic, ofSource),
    }
  const { groupId, handler } = sides
  return {
    from: topicRecords(driver, topic, { committedBy: groupId, withoutId: 'by-place' }),
    to: inboxMarks(connection!, { groupId, handler, schema, table }),
  }
}

/** Connects, where a side lies in the database, and lets go whatever happens. */
async function withDatabase<T>(
  { sides }: AuditRequest,
  options: AuditCommandOptions,
  config: HoldfastConfig,
  { folder, environment, signal }: CliSurroundings,
  work: (connection: AuditConnection | null) => Promise<T>,
): Promise<T> {
  if (sides.kind === 'topic-topic') return untilEnded(work(null), signal)
  const address = databaseAddress(options.databaseUrl, environment, config)
  const Client = await loadPg(folder)
  let client: PgClient | null = null
  let connected = false
  // Not waited for: a server that does not answer would hold up the end. A statement under way breaks with its connection.
  const disconnect = (): void => void client?.end().catch(() => {})
  signal.addEventListener('abort', disconnect, { once: true })
  try {
    client = pgClient(Client, address.url, 'holdfast audit')
    await untilStopped(client.connect(), signal)
    connected = true
    return await untilEnded(work(client), signal)
  } catch (error) {
    if (signal.aborted) throw error
    if (HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE')) throw databaseFailure(error.cause, address)
    throw HoldfastError.is(error) || connected ? error : databaseFailure(error, address)
  } finally {
    signal.removeEventListener('abort', disconnect)
    disconnect()
  }
}

/** Lets what was stopped leave its group and close its files, where that does not take for ever. */
async function untilEnded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await untilStopped(work, signal)
  } catch (error) {
    const over = new AbortController()
    const ended = work.then(
      () => over.abort(),
      () => over.abort(),
    )
    if (signal.aborted)
      await Promise.race([ended, systemRuntime.clock.sleep(STOP_WITHIN_MS, over.signal).catch(() => {})])
    throw error
  }
}
