import type { Clock } from '../../clock/index.ts'
import type { DriverProducer } from '../../driver/index.ts'
import { KNOWS_NO_SUCH_PLACE } from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { partitionOfKey } from '../../record/index.ts'
import type { RowInHand } from './held-bucket.ts'
import type { Overflow } from './overflow.ts'
import { createOverflow } from './overflow.ts'
import type { Trouble } from './trouble.ts'

/** Takes rows to where they are sent, once the partitions of their topic are known. */
export interface TopicRoutes {
  route(row: RowInHand): void
  /** The broker does not know their topic, or their partition: asks again, and routes them, and whatever of the topic waits, anew. */
  lookAgain(rows: readonly RowInHand[]): void
  /** As of a line. */
  reclaim(): bigint | null
  close(): void
}

/** What {@link TopicRoutes} work with. */
export interface TopicRoutesOptions {
  readonly producer: Pick<DriverProducer, 'partitionCount' | 'forgetPartitions'>
  /** Resolves when it is connected, which it need not be from the start: rows of a topic wait for the first answer. */
  readonly connected: () => Promise<void>
  readonly clock: Clock
  readonly random: () => number
  readonly unknownTopicGraceMs: number
  /** A trouble of its own for each topic. */
  readonly troubleOf: (topic: string) => Trouble
  /** More rows of a topic than this do not wait for its partitions. */
  readonly maxWaiting: number
  /** There is room again for rows that were let go. */
  readonly onReclaimable: () => void
  /** Its partition is chosen. */
  readonly onPlaced: (row: RowInHand) => void
  /** Takes what is of a topic, and not under way, out of all lines. */
  readonly withdraw: (topic: string) => readonly RowInHand[]
  /** Its topic or partition is not there, and has not been for as long as it may. */
  readonly onRefused: (row: RowInHand, error: HoldfastError) => void
}

/** Makes {@link TopicRoutes}. */
export function createTopicRoutes(options: TopicRoutesOptions): TopicRoutes {
  const { producer, clock, random, unknownTopicGraceMs, troubleOf, onPlaced, withdraw, onRefused } = options
  const routes = new Map<string, Route>()
  const closed = new AbortController()

  const routeOf = (topic: string): Route => {
    let route = routes.get(topic)
    if (route === undefined) {
      const trouble = troubleOf(topic)
      route = { topic, count: null, waiting: [], asking: false, missing: null, trouble, overflow: createOverflow() }
      routes.set(topic, route)
    }
    return route
  }

  const ask = async (route: Route, waitMs: number): Promise<void> => {
    route.asking = true
    if (waitMs > 0) await clock.sleep(waitMs, closed.signal).catch(() => {})
    while (!closed.signal.aborted && route.waiting.some(isLeft)) {
      try {
        await options.connected()
        place(route, await producer.partitionCount(route.topic))
        route.trouble.ended()
      } catch (error) {
        if (isMissing(error) && hasLasted(route)) for (const row of waitingOf(route)) onRefused(row, error)
        else await again(route, error)
      }
    }
    route.asking = false
    route.waiting = []
    if (route.overflow.isOpen) options.onReclaimable()
  }

  const place = (route: Route, count: number): void => {
    const tooFar = route.waiting.find((row) => isLeft(row) && (row.row.partition ?? 0) >= count)
    if (tooFar !== undefined && !hasLasted(route)) throw noSuchPartition(route.topic, tooFar.row.partition!, count)
    route.count = count
    for (const row of waitingOf(route)) placeRow(row, count)
  }

  const placeRow = (row: RowInHand, count: number): void => {
    const { topic, key, partition } = row.row
    row.partition = partition ?? (key === null ? Math.floor(random() * count) : partitionOfKey(key, count))
    if (row.partition >= count) onRefused(row, noSuchPartition(topic, row.partition, count))
    else onPlaced(row)
  }

  /** Takes out what waits. */
  const waitingOf = (route: Route): readonly RowInHand[] => route.waiting.splice(0).filter(isLeft)

  /** Has the topic, or a partition of it, been missing for as long as it may? What was missing long ago is another case. */
  const hasLasted = (route: Route): boolean => {
    const now = clock.monotonic()
    if (route.missing === null || now - route.missing.last > Math.max(FORGET_MS, unknownTopicGraceMs))
      route.missing = { since: now, last: now }
    route.missing.last = now
    return now - route.missing.since >= unknownTopicGraceMs
  }

  const again = async (route: Route, error: unknown): Promise<void> => {
    producer.forgetPartitions(route.topic)
    const waitMs = route.trouble.failed(error)
    const left = route.missing === null ? waitMs : route.missing.since + unknownTopicGraceMs - clock.monotonic()
    await clock.sleep(Math.max(1, Math.min(waitMs, Math.max(left, 100))), closed.signal).catch(() => {})
  }

  return {
    route(row) {
      const route = routeOf(row.row.topic)
      if (route.overflow.isOpen) return route.overflow.add(row)
      if (route.count !== null && !route.asking && (row.row.partition ?? 0) < route.count)
        return placeRow(row, route.count)
      if (route.waiting.length >= options.maxWaiting) return route.overflow.add(row)
      route.waiting.push(row)
      if (route.asking) return
      if (route.count !== null) producer.forgetPartitions(row.row.topic) // it may be new
      void ask(route, 0)
    },
    lookAgain(rows) {
      const topics = new Map<string, RowInHand[]>()
      for (const row of rows) topics.set(row.row.topic, [...(topics.get(row.row.topic) ?? []), row])
      for (const [topic, ofTopic] of topics) {
        const route = routeOf(topic)
        route.waiting = [...ofTopic, ...withdraw(topic), ...route.waiting]
        producer.forgetPartitions(topic)
        if (hasLasted(route)) for (const row of waitingOf(route)) onRefused(row, missing(topic))
        else if (!route.asking) void ask(route, LOOK_AGAIN_MS)
      }
    },
    reclaim() {
      let above: bigint | null = null
      for (const { overflow, asking } of routes.values()) {
        if (!overflow.isOpen || asking) continue
        const from = overflow.end()
        if (above === null || from < above) above = from
      }
      return above
    },
    close: () => closed.abort(),
  }
}

interface Route {
  readonly topic: string
  /** Null before the first answer. */
  count: number | null
  /** Rows that wait for an answer, in their order. While there are any, later ones wait behind them. */
  waiting: RowInHand[]
  asking: boolean
  /** Since when the topic, or a partition that a row names, is not there, and when that was seen last. */
  missing: { readonly since: number; last: number } | null
  readonly trouble: Trouble
  readonly overflow: Overflow
}

/** The broker that answers may not know yet what another one does. */
const LOOK_AGAIN_MS = 100
const FORGET_MS = 60_000

function isLeft(row: RowInHand): boolean {
  return row.phase === 'queued'
}

function isMissing(error: unknown): error is HoldfastError {
  return HoldfastError.is(error) && KNOWS_NO_SUCH_PLACE.has(error.code)
}

function missing(topic: string): HoldfastError {
  return new HoldfastError('HOLDFAST_TOPIC_UNKNOWN', `${topic}, or a partition of it, does not exist`)
}

function noSuchPartition(topic: string, partition: number, count: number): HoldfastError {
  return new HoldfastError('HOLDFAST_PARTITION_UNKNOWN', `${topic} has no partition ${partition}: it has ${count}`)
}
