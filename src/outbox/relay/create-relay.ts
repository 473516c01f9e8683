import type { Timer } from '../../clock/index.ts'
import { connectOnce } from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { createEvents } from '../../events/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { OutboxStatistics } from '../relay-store.ts'
import type { RowInHand } from './held-bucket.ts'
import { Hand } from './held-bucket.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import { createLeaseKeeper } from './lease-keeper.ts'
import { judgeRelay } from './relay-health.ts'
import { readRelayOptions } from './relay-settings.ts'
import type { Relay, RelayEvents, RelayHealth, RelayOptions } from './relay.ts'
import { createRowMarker } from './row-marker.ts'
import { createRowParking } from './row-parking.ts'
import type { RowReader } from './row-reader.ts'
import { createRowReader } from './row-reader.ts'
import type { SendLine } from './send-line.ts'
import { createSendLine } from './send-line.ts'
import type { SendRows, TransactionalSend } from './send-rows.ts'
import { plainSend, transactionalSend } from './send-rows.ts'
import { createTopicRoutes } from './topic-routes.ts'
import type { Trouble } from './trouble.ts'
import { createTrouble } from './trouble.ts'

/** How often it looks how full the outbox is. */
const STATISTICS_EVERY_MS = 10_000
/** How much longer it rests than a look has taken. */
const MEASURE_REST = 19
const COUNT_UP_TO = 100_000

/**
 * Makes a {@link Relay}: the way of a row is read (`row-reader`) → its topic's partitions (`topic-routes`) → its line (`send-line`) → Kafka
 * (`send-rows`) → marked (`row-marker`), or set aside (`row-parking`), while `lease-keeper` says whose rows these are.
 *
 * **At least once, in the order of each key.** A process that dies between Kafka's acknowledgement and the mark sends a row again, with the same id.
 * First copies of a key's rows are in the order of their commits, always. An old copy behind a newer record of its key needs a process that stood still
 * between its look at the lease and its socket, for longer than the lease; with `transactionalIdPrefix` not even that.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem; HOLDFAST_UNSUPPORTED for what driver or store cannot do.
 */
export function createRelay(options: RelayOptions): Relay {
  const settings = readRelayOptions(options)
  const { store, driver, runtime, logger, worker, maxBatchRecords, maxBatchBytes, deliveryTimeoutMs } = settings
  const { clock, random } = runtime
  const events = createEvents<RelayEvents>(logger)
  const troubles = new Map<string, Trouble>()
  const trouble = (what: string): Trouble => {
    const fresh = createTrouble(what, clock, random, logger)
    troubles.set(what, fresh)
    return fresh
  }
  let state: RelayHealth['state'] = 'new'
  let starting: Promise<void> | undefined
  let closing: Promise<void> | undefined
  let published = 0
  let statistics: OutboxStatistics | null = null
  let statisticsTimer: Timer | undefined
  let measureAt = -Infinity
  let listening: { close(): Promise<void> } | undefined
  let endHints = (): void => {}
  let endMeasuring: (() => void) | undefined

  // Made first, since the others need it; what it tells them of comes later than all of this.
  const hand = new Hand((held) => {
    leases.rowLeft(held)
    reader.rowLeft()
  })
  const leases: LeaseKeeper = createLeaseKeeper({
    settings,
    hand,
    events,
    trouble: trouble('renewing the leases'),
    onOpened: () => reader.bucketsOpened(),
  })

  const producer = driver.createProducer({ runtime, logger })
  const connected = connectOnce(producer)
  const marker = createRowMarker({
    settings,
    trouble: trouble('marking rows that were sent'),
    onMarked(rows) {
      published += rows
      events.emit('published', { rows })
    },
  })
  const parking = createRowParking({
    settings,
    leases,
    trouble: trouble('setting rows aside'),
    onParked({ row }, reason) {
      const { topic, id: messageId } = row
      logger.error({ topic, messageId, ...reason }, 'a row is parked, and what comes behind it of its key waits')
      events.emit('parked', { topic, messageId, reason })
    },
  })

  const lines = new Map<string, SendLine>()
  const transactional = new Map<number, TransactionalSend>()
  const sendPlain = plainSend(producer, settings)
  const sendOf = (bucket: number): SendRows => {
    if (settings.transactionalIdPrefix === undefined) return sendPlain
    const fresh = transactionalSend(driver, bucket, settings, (held) => leases.lost(held))
    transactional.set(bucket, fresh)
    return fresh.send
  }
  const lineOf = ({ row, partition }: RowInHand): SendLine => {
    const isPlain = settings.transactionalIdPrefix === undefined
    const name = isPlain ? formatPartition({ topic: row.topic, partition }) : `bucket ${row.bucket}`
    let line = lines.get(name)
    if (line === undefined) {
      line = createSendLine({
        send: sendOf(row.bucket),
        leases,
        clock,
        trouble: trouble(`sending to ${name}`),
        maxBatchRecords,
        maxBatchBytes,
        onAcknowledged: marker.acknowledged,
        onRefused: parking.refused,
        onBehind: parking.behind,
        onUnknown: (rows) => routes.lookAgain(rows),
        onReclaimable: () => reader.wake(),
      })
      lines.set(name, line)
    }
    return line
  }
  const routes = createTopicRoutes({
    producer,
    connected,
    clock,
    random,
    unknownTopicGraceMs: settings.unknownTopicGraceMs,
    maxWaiting: maxBatchRecords,
    troubleOf: (topic) => trouble(`asking for the partitions of ${topic}`),
    onPlaced: (row) => lineOf(row).add(row),
    withdraw: (topic) => [...lines.values()].flatMap((line) => line.withdraw(topic)),
    onRefused: parking.refused,
    onReclaimable: () => reader.wake(),
  })
  const reader: RowReader = createRowReader({
    settings,
    leases,
    hand,
    trouble: trouble('reading the outbox'),
    reclaim: () => [routes, ...lines.values()].map((each) => each.reclaim()),
    onRow(row) {
      if (row.held.isBehind(row)) parking.behind(row)
      else routes.route(row)
    },
  })

  const start = async (): Promise<void> => {
    await settings.check()
    // A broker that is away is what an outbox is for: the service starts, and rows wait.
    await connected().catch((error: unknown) => {
      if (!HoldfastError.is(error) || !error.retriable) throw error
      logger.warn({ worker, code: error.code }, 'the relay begins without Kafka, and connects when it can')
    })
    if (settings.listen) listening = await store.listen!(() => reader.wake())
    await leases.start()
    if (closing !== undefined) return
    endHints = settings.onEnqueued(() => reader.wake())
    reader.start()
    measure()
    statisticsTimer = clock.every(STATISTICS_EVERY_MS, measure)
    endMeasuring = settings.telemetry.relaying?.(() => ({
      worker,
      published,
      underWay: hand.rows,
      buckets: leases.open().length,
      outbox: statistics,
    }))
    state = 'running'
    logger.info({ worker, buckets: leases.open().length }, 'the relay has begun')
  }

  const measure = (): void => {
    const begunAt = clock.monotonic()
    if (begunAt < measureAt) return
    measureAt = Infinity
    store
      .statistics(COUNT_UP_TO)
      .then(
        (fresh) => void (statistics = fresh),
        () => void (statistics = null), // whoever reads sees that it is not known; reading rows says what is wrong
      )
      // It passes dead rows that cannot be vacuumed yet: a twentieth of the time at most.
      .finally(() => (measureAt = clock.monotonic() + MEASURE_REST * (clock.monotonic() - begunAt)))
  }

  const close = async (timeoutMs: number): Promise<void> => {
    state = 'closing'
    endHints()
    endMeasuring?.()
    statisticsTimer?.cancel()
    const out = new AbortController()
    const atRest = (async (): Promise<boolean> => {
      await starting?.catch(() => {})
      await reader.close()
      await leases.close()
      if (starting !== undefined) await leases.leave().catch(() => {})
      return true
    })()
    const late = clock.sleep(timeoutMs, out.signal).then(
      () => false,
      () => true,
    )
    const isAtRest = await Promise.race([atRest, late])
    out.abort()
    atRest.catch(() => {})
    // What is under way may still be written: so the buckets are not given back, and nobody else has them before the leases have run out.
    if (!isAtRest)
      logger.warn({ worker, rows: hand.rows }, 'the relay has closed with rows under way: they may be sent again')
    routes.close()
    marker.close()
    parking.close()
    for (const line of lines.values()) void line.close()
    const left = isAtRest ? deliveryTimeoutMs : 0
    await Promise.all([
      listening?.close().catch(() => {}),
      producer.close({ timeoutMs: left }),
      ...[...transactional.values()].map((each) => each.close(left)),
    ])
    state = 'closed'
  }

  return {
    start() {
      if (closing !== undefined)
        return Promise.reject(new HoldfastError('HOLDFAST_CLOSED', 'the relay is closed: make another one'))
      return (starting ??= start())
    },
    health: () =>
      judgeRelay({
        state,
        worker,
        buckets: leases.open().map(({ lease }) => lease.bucket),
        underWay: hand.rows,
        published,
        outbox: statistics,
        troubles,
        now: clock.monotonic(),
      }),
    listen: (event, listener) => events.listen(event, listener),
    drained: () => reader.drained(),
    close: ({ timeoutMs = 30_000 } = {}) => (closing ??= close(timeoutMs)),
    async [Symbol.asyncDispose]() {
      await this.close()
    },
  }
}
