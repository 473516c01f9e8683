import type { Runtime } from '../clock/index.ts'
import type { Compression } from '../driver/index.ts'
import { describeForeignError, HoldfastError } from '../errors/index.ts'
import { partitionOfKey } from '../record/index.ts'
import type { PartitionCounts } from './partition-counts.ts'
import type { Partitioner } from './partitioner.ts'
import type { StickyPartition } from './partitioner.ts'
import { createStickyPartition } from './partitioner.ts'
import type { PartitionQueue, ProduceBatchTo } from './partition-queue.ts'
import { createPartitionQueue } from './partition-queue.ts'
import type { PendingSend } from './pending-send.ts'

/** What a {@link Delivery} works with. */
export interface DeliveryDependencies {
  readonly produce: ProduceBatchTo
  readonly counts: PartitionCounts
  readonly runtime: Runtime
  readonly partitioner: Partitioner | undefined
  readonly lingerMs: number
  readonly maxBatchRecords: number
  readonly maxBatchBytes: number
  readonly compression: Compression
  /** See {@link PartitionQueueOptions.repeats}. */
  readonly repeats: boolean
}

/** Takes prepared sends to their partitions, in the order they came for each topic. */
export interface Delivery {
  /** The send is prepared and has its room in the buffer. From here on it ends by itself. */
  route(send: PendingSend): void
  /** Ends every linger, and lets none begin, until this has ended. */
  hurryUntil(ended: Promise<unknown>): void
}

/** Makes a {@link Delivery}. */
export function createDelivery(dependencies: DeliveryDependencies): Delivery {
  const { counts, partitioner, runtime, maxBatchRecords, maxBatchBytes } = dependencies
  const topics = new Map<string, TopicRoute>()
  let hurries = 0

  const routeOf = (topic: string): TopicRoute => {
    let route = topics.get(topic)
    if (route === undefined) {
      const sticky = createStickyPartition(runtime.random, maxBatchRecords, maxBatchBytes)
      topics.set(topic, (route = { topic, sticky, queues: [], waiting: [], loading: false }))
    }
    return route
  }

  const advance = (route: TopicRoute): void => {
    if (route.loading) return
    const { waiting } = route
    route.waiting = []
    for (const [i, send] of waiting.entries()) {
      if (send.isOver) continue
      const count = counts.known(route.topic)
      if (count === undefined) {
        route.waiting = [...route.waiting, ...waiting.slice(i)] // what was just placed and came back is the earlier
        if (!route.loading) void load(route)
        return
      }
      place(route, send, count)
    }
  }

  const load = async (route: TopicRoute): Promise<void> => {
    route.loading = true
    try {
      await counts.load(route.topic, () => route.waiting.some((send) => !send.isOver))
      route.loading = false
    } catch (error) {
      route.loading = false
      const { waiting } = route
      route.waiting = waiting.filter((send) => !send.isOver && HoldfastError.is(error) && error.retriable)
      if (route.waiting.length > 0) return load(route) // it had given up since nobody waited; now somebody does
      if (route.queues.length === 0) topics.delete(route.topic) // names that turned out not to exist must not gather here
      // Only now: what a caller sends on hearing of it must not enter a route that is off the list, with queues of its own.
      for (const send of waiting) send.fail(asHoldfastError(error, route.topic))
    }
    advance(route)
  }

  const place = (route: TopicRoute, send: PendingSend, count: number): void => {
    const partition = choose(route, send, count)
    if (partition === undefined) return // it has failed
    if (partition >= count) {
      if (!send.lookedAgain && counts.forget(route.topic)) {
        send.lookedAgain = true
        route.waiting.push(send)
        if (!route.loading) void load(route)
      } else send.fail(noSuchPartition(route.topic, partition, count))
      return
    }
    send.partition = partition
    queueOf(route, partition).add(send)
  }

  const choose = (route: TopicRoute, send: PendingSend, count: number): number | undefined => {
    const { key, partition } = send.message!
    if (partition !== undefined) return partition
    if (partitioner !== undefined) {
      const answer = askPartitioner(partitioner, send, count)
      if (answer !== undefined) {
        if (typeof answer === 'number' && Number.isInteger(answer) && answer >= 0 && answer < count) return answer
        const message = `the partitioner gave no partition of ${route.topic}, which has ${count}`
        send.fail(answer instanceof HoldfastError ? answer : new HoldfastError('HOLDFAST_PARTITION_UNKNOWN', message))
        return undefined
      }
    }
    return key === null ? route.sticky.choose(count, send.size) : partitionOfKey(key, count)
  }

  const queueOf = (route: TopicRoute, partition: number): PartitionQueue =>
    (route.queues[partition] ??= createPartitionQueue({
      ...dependencies,
      topic: route.topic,
      partition,
      isHurried: () => hurries > 0,
      onTaken(taken) {
        route.sticky.taken(taken)
        counts.recheck(route.topic)
      },
      onUnknown: (sends) => lookAgain(route, partition, sends),
    }))

  const lookAgain = async (
    route: TopicRoute,
    partition: number,
    sends: readonly PendingSend[],
  ): Promise<readonly PendingSend[]> => {
    counts.forget(route.topic)
    let count: number
    try {
      count = counts.known(route.topic) ?? (await counts.load(route.topic, () => sends.some((send) => !send.isOver)))
    } catch (error) {
      for (const send of sends) send.fail(asHoldfastError(error, route.topic))
      return []
    }
    if (partition < count) return sends
    for (const send of sends) if (!send.isOver) place(route, send, count) // a smaller topic has taken its place
    return []
  }

  return {
    route(send) {
      send.phase = 'routing'
      const route = routeOf(send.topic)
      const count = route.loading || route.waiting.length > 0 ? undefined : counts.known(send.topic)
      if (count !== undefined) return place(route, send, count)
      route.waiting.push(send)
      advance(route)
    },
    hurryUntil(ended) {
      hurries++
      const slowDown = (): void => void hurries--
      ended.then(slowDown, slowDown)
      for (const { queues } of topics.values()) for (const queue of queues) queue?.hurry()
    },
  }
}

interface TopicRoute {
  readonly topic: string
  readonly sticky: StickyPartition
  /** By partition; with holes. */
  readonly queues: Array<PartitionQueue | undefined>
  /** Those that came before the partition count was known. */
  waiting: PendingSend[]
  loading: boolean
}

function askPartitioner(
  partitioner: Partitioner,
  send: PendingSend,
  partitionCount: number,
): number | undefined | HoldfastError {
  try {
    return partitioner({ topic: send.topic, key: send.message!.key, partitionCount })
  } catch (error) {
    const message = `the partitioner threw ${describeForeignError(error)} for ${send.topic}; nothing was sent`
    return new HoldfastError('HOLDFAST_MESSAGE_INVALID', message) // without a cause: it may quote the key
  }
}

function noSuchPartition(topic: string, partition: number, count: number): HoldfastError {
  return new HoldfastError('HOLDFAST_PARTITION_UNKNOWN', `${topic} has no partition ${partition}: it has ${count}`)
}

function asHoldfastError(error: unknown, topic: string): HoldfastError {
  if (HoldfastError.is(error)) return error
  return new HoldfastError('HOLDFAST_UNAVAILABLE', `the partitions of ${topic} could not be learned`, { cause: error })
}
