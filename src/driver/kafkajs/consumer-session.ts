import type { Cluster, Consumer, PartitionAssigner } from 'kafkajs'
import { HoldfastError } from '../../errors/index.ts'
import type { Logger } from '../../logger/index.ts'
import type { Position, TopicPartition } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { CommitOffset, ConsumerCallbacks, DriverConsumerOptions } from '../driver-consumer.ts'
import type { Beat } from './consumer-coordinator.ts'
import { createGroupCoordinator } from './consumer-coordinator.ts'
import type { Epoch } from './consumer-epoch.ts'
import { createDelivery } from './consumer-delivery.ts'
import { decodeFetches } from './consumer-fetching.ts'
import { createDriftWatch } from './consumer-drift.ts'
import { followCoordinator } from './consumer-following.ts'
import { createRebalancing } from './consumer-rebalancing.ts'
import { endSpinning } from './consumer-spinning.ts'
import { watchTopics } from './consumer-topics.ts'
import { createConsumerWire } from './consumer-wire.ts'
import { deadlineIn, LATE } from './deadline.ts'
import { createKafkajsAssignor } from './kafkajs-assignor.ts'
import type { KafkajsContext } from './kafkajs-context.ts'
import { KAFKAJS_REQUEST_TIMEOUT_MS } from './kafkajs-context.ts'
import { describeFailure, holdfastError, readFailure, toHoldfastError } from './kafkajs-errors.ts'
import { bridgeLogs } from './kafkajs-logs.ts'

/** What one life of a consumer is made of. */
export interface SessionOptions {
  readonly context: KafkajsContext
  readonly options: DriverConsumerOptions
  readonly topics: readonly string[]
  readonly callbacks: ConsumerCallbacks
  readonly paused: ReadonlySet<string>
  readonly nextEpoch: () => number
}

/** One life of a consumer: from its start to a stop or a crash. A kafkajs consumer does not survive a crash in one piece. */
export interface ConsumerSession {
  start(): Promise<void>
  commit(offsets: readonly CommitOffset[]): Promise<void>
  pauseChanged(partitions: readonly TopicPartition[]): void
  seek(position: Position): void
  lastHeartbeatAt(): number | null
  /** Crashed or stopped. */
  ended(): boolean
  stop(): Promise<void>
}

/**
 * Makes a session; connects nothing until {@link ConsumerSession.start}.
 *
 * @throws HOLDFAST_CONFIG_INVALID for options that kafkajs does not take
 */
export function createConsumerSession(session: SessionOptions): ConsumerSession {
  const { context, options, topics, callbacks, paused, nextEpoch } = session
  const { runtime, logger, groupId, sessionTimeoutMs, heartbeatIntervalMs, maxWaitMs, rebalanceTimeoutMs } = options
  const { clock } = runtime
  let phase: 'new' | 'starting' | 'running' | 'stopping' | 'ended' = 'new'
  let heartbeatAt: number | null = null
  let beating = false
  let lastBeat: Beat = 'unanswered'
  let commits: Promise<unknown> = Promise.resolve()
  let shutdown: Promise<void> | undefined
  let memberId = '' // as the group knows it, from the first request that carries it
  let hasJoined = false
  const underWay = outcome()
  const requestTimeoutMs = context.config.requestTimeout ?? KAFKAJS_REQUEST_TIMEOUT_MS
  /** A third of the session: time is left to find another coordinator and be heard there before this one gives the member up. */
  const answerMs = Math.ceil(sessionTimeoutMs / 3)

  const wire = createConsumerWire({
    userFactory: context.config.socketFactory,
    maxWaitMs: Math.min(maxWaitMs, Math.max(1, Math.floor(requestTimeoutMs / 2))), // answered well before kafkajs gives it up
    silenceMs: Math.min(requestTimeoutMs, Math.max(MIN_SILENCE_MS, answerMs)),
    rebalanceTimeoutMs,
    clock,
    hooks: {
      beforeJoin(id) {
        memberId = id
        if (id !== '') started() // the group has taken this member in; how long the others drain is not ours to wait for
        return rebalancing.beforeJoin(id)
      },
      beforeLeave: () => rebalancing.beforeLeave(),
      onSync: (memberId, generation) => rebalancing.onSync(memberId, generation),
      onReset: (partitions) => delivery.outOfRange(rebalancing.current(), partitions),
    },
  })
  const { consumer, cluster } = checked(() => makeKafkajsConsumer(context, options, wire.socketFactory), groupId)
  const findGroupCoordinator = cluster.findGroupCoordinator.bind(cluster) // as it is, before kafkajs' is made to follow
  const fetchTopicsOffset = cluster.fetchTopicsOffset.bind(cluster)
  const coordinator = createGroupCoordinator({ findGroupCoordinator, fetchTopicsOffset }, groupId, runtime.failpoint)
  decodeFetches(cluster)
  endSpinning(cluster)
  followCoordinator(
    cluster,
    () => lastBeat,
    () => drift.asking(),
  )
  const delivery = createDelivery({ consumer, coordinator, callbacks, paused, runtime, logger, onFailure: fail })
  const drainBudgetMs = Math.max(MIN_DRAIN_MS, rebalanceTimeoutMs - heartbeatIntervalMs - maxWaitMs)
  const rebalancing = createRebalancing({
    runtime,
    logger,
    groupId,
    drainBudgetMs,
    callbacks,
    coordinator,
    nextEpoch,
    delivery,
    onFailure: fail,
  })
  const drift = createDriftWatch({
    clock,
    heartbeatIntervalMs,
    hasAssignment: () => phase !== 'running' || rebalancing.current() !== null,
    onAdrift() {
      const message = `the consumer of group ${groupId} has no assignment, and does not ask for one`
      fail(new HoldfastError('HOLDFAST_CONSUMER_CRASHED', message, { retriable: true }))
    },
  })
  watchTopics(cluster, (error) => {
    // Without a commit: it would be one for the topic that is made next under this name. The next start reads the commits anew,
    // and the broker has deleted those of the topic with it.
    if (phase === 'running' && rebalancing.current() !== null) fail(error)
  })
  const beats = clock.every(heartbeatIntervalMs, () => void beat())

  function started(): void {
    if (phase === 'starting') phase = 'running'
    underWay.resolve()
  }

  async function beat(): Promise<void> {
    const epoch = rebalancing.current()
    if (epoch === null || beating) return
    beating = true
    const sentAt = clock.monotonic() // when the group renewed the session at the earliest
    const answer = await deadlineIn(clock, answerMs).race(coordinator.heartbeat(epoch))
    beating = false
    if (answer === LATE) coordinator.forget()
    if (epoch !== rebalancing.current()) return
    lastBeat = answer === LATE ? 'unanswered' : answer
    if (answer === 'alive' || answer === 'rebalancing') heartbeatAt = sentAt
    else if (answer === 'lost') rebalancing.lose(epoch)
  }

  /** What the core or the group did makes going on unsafe: everything ends, and the core hears why. */
  function fail(error: unknown): void {
    if (phase === 'stopping' || phase === 'ended') return
    const wasStarting = phase === 'starting'
    phase = 'stopping'
    const current = rebalancing.current()
    if (current !== null) rebalancing.lose(current) // now, not when kafkajs has left: what the core begins until then is begun in vain
    underWay.reject(error)
    if (wasStarting) return // start() ends it and rejects
    void leave().then(() => reportCrash(error)) // never awaited in here: kafkajs' stop waits for the batch this may come from
  }

  /** kafkajs has ended by itself and left the group. */
  function crashed(error: unknown): void {
    if (phase === 'stopping' || phase === 'ended') return
    const wasStarting = phase === 'starting'
    end()
    underWay.reject(error)
    if (!wasStarting) reportCrash(error)
  }

  function reportCrash(error: unknown): void {
    try {
      callbacks.onCrash(crashError(error, groupId))
    } catch (thrown) {
      logger.error({ groupId, error: thrown instanceof Error ? thrown.name : typeof thrown }, 'onCrash threw')
    }
  }

  function end(): void {
    phase = 'ended'
    beats.cancel()
    drift.cancel()
    rebalancing.end()
    wire.cut()
  }

  /** Lets kafkajs finish and leave the group, within a bound: it waits for its long polls, and may wait for a join. */
  function leave(): Promise<void> {
    shutdown ??= (async () => {
      const over = new AbortController()
      // kafkajs leaves only what it has an assignment of: before that the group would wait for the session of this member.
      const gone = !hasJoined && memberId !== '' ? coordinator.leave(memberId) : Promise.resolve()
      const left = gone
        .then(() => consumer.disconnect())
        .catch((error: unknown) => {
          logger.debug({ groupId, error: readFailure(error).name }, 'kafkajs could not leave the group in peace')
        })
      await Promise.race([left, clock.sleep(maxWaitMs + STOP_GRACE_MS, over.signal).catch(() => {})])
      over.abort()
      end()
    })()
    return shutdown
  }

  /** @throws HOLDFAST_EPOCH_LOST unless all of them belong to the epoch that counts now. */
  function epochOf(offsets: readonly CommitOffset[]): Epoch {
    const epoch = rebalancing.current()
    for (const offset of offsets) {
      const key = formatPartition(offset)
      if (epoch?.number === offset.epoch && epoch.partitions.has(key)) continue
      throw new HoldfastError(
        'HOLDFAST_EPOCH_LOST',
        `${key} of epoch ${offset.epoch} is not assigned any more: not committed`,
      )
    }
    return epoch!
  }

  async function commitNow(offsets: readonly CommitOffset[]): Promise<void> {
    const epoch = epochOf(offsets) // once more: it may have ended while an earlier commit was under way
    try {
      await coordinator.commit(epoch, offsets)
    } catch (error) {
      if (HoldfastError.is(error, 'HOLDFAST_EPOCH_LOST')) rebalancing.lose(epoch)
      throw error
    }
    await runtime.failpoint('kafkajs-consumer:committed')
  }

  consumer.on('consumer.group_join', ({ payload }) => {
    hasJoined = true
    if (phase === 'stopping' || phase === 'ended') return
    heartbeatAt = clock.monotonic()
    lastBeat = 'alive'
    rebalancing.joined(payload.memberAssignment)
    started()
  })
  consumer.on('consumer.crash', ({ payload }) => crashed(payload.error))

  return {
    async start() {
      phase = 'starting'
      try {
        // A stop must not wait for kafkajs' own attempts: it ends underWay.
        await Promise.race([consumer.connect(), underWay.promise])
        await Promise.race([consumer.subscribe({ topics: [...topics], fromBeginning: true }), underWay.promise])
        await runtime.failpoint('kafkajs-consumer:subscribed')
        if (phase !== 'starting') throw closed(groupId)
        const run = consumer.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: WORKERS,
          eachBatch: async (payload) => delivery.eachBatch(rebalancing.current(), payload),
        })
        run.catch(crashed)
        await underWay.promise
      } catch (error) {
        if (phase === 'starting') phase = 'stopping'
        if (phase === 'stopping') await leave()
        throw toHoldfastError(error, 'join', `group ${groupId}, topics ${topics.join(', ')}`)
      }
    },
    async commit(offsets) {
      if (offsets.length === 0) return
      epochOf(offsets)
      const mine = commits.then(() => commitNow(offsets))
      commits = mine.catch(() => {})
      await mine
    },
    pauseChanged(partitions) {
      const epoch = rebalancing.current()
      if (epoch !== null) delivery.pauseChanged(epoch, partitions)
    },
    seek(position) {
      const epoch = rebalancing.current()
      if (epoch !== null) delivery.seek(epoch, position)
    },
    lastHeartbeatAt: () => heartbeatAt,
    ended: () => phase === 'ended',
    async stop() {
      if (phase === 'new') end()
      if (phase === 'ended') return
      phase = 'stopping'
      rebalancing.end() // without a word: the core has drained and committed
      underWay.reject(closed(groupId))
      await leave()
    },
  }
}

/** A promise and its two ends; unheard, its rejection is nobody's. */
function outcome(): { readonly promise: Promise<void>; resolve(): void; reject(error: unknown): void } {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const promise = new Promise<void>((settle, refuse) => {
    resolve = settle
    reject = refuse
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}

/**
 * kafkajs sleeps for this long where nothing may be fetched (all paused, or just assigned) and hears of no resume meanwhile.
 * What the broker waits for data is put into its fetch requests on the wire.
 */
const NOTHING_TO_FETCH_MS = 20

/** Batches handed over side by side; each takes no longer than its conversion, or a heartbeat of kafkajs'. */
const WORKERS = 8

/** The least time after which a broker is taken for one that hangs, however short the session: less is a pause of its collector. */
const MIN_SILENCE_MS = 3_000

/** The least time that work gets to drain, however small the rebalance timeout is. */
const MIN_DRAIN_MS = 100

/** Beyond its longest poll, how long kafkajs may take to leave before its sockets are cut. */
const STOP_GRACE_MS = 5_000

/**
 * kafkajs counts every failure since the last rebalance, related or not, and never resets the count
 * (`consumer/runner.js:107`): more attempts and short waits keep a healthy consumer from ending over failures of another week.
 * Fewer, from the user's own `retry`, would bring that end back; its other settings are for connections and look-ups.
 */
const RETRY = { retries: 12, initialRetryTime: 100, maxRetryTime: 2_000, multiplier: 2, factor: 0.2 }

function makeKafkajsConsumer(
  context: KafkajsContext,
  options: DriverConsumerOptions,
  socketFactory: NonNullable<KafkajsContext['config']['socketFactory']>,
): { readonly consumer: Consumer; readonly cluster: Cluster } {
  const { groupId, sessionTimeoutMs, rebalanceTimeoutMs, heartbeatIntervalMs, maxBytesPerPartition, logger } = options
  let cluster: Cluster | undefined
  const assignor = createKafkajsAssignor({ groupId, runtime: options.runtime, logger })
  const [holdfast, roundRobin] = assignor.assigners
  const capturing: PartitionAssigner = (config) => {
    cluster = config.cluster // the public way to the connections of this consumer
    return holdfast(config)
  }
  const retries = Math.max(RETRY.retries, context.config.retry?.retries ?? 0)
  const kafka = context.newKafka({ socketFactory, logCreator: bridgeLogs(quieter(logger), context.config) })
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: rebalanceTimeoutMs,
    heartbeatInterval: heartbeatIntervalMs,
    maxBytesPerPartition,
    maxBytes: Math.max(KAFKAJS_MAX_BYTES, maxBytesPerPartition),
    maxWaitTimeInMs: NOTHING_TO_FETCH_MS,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    allowAutoTopicCreation: false,
    partitionAssigners: [capturing, roundRobin],
    retry: { ...RETRY, retries, restartOnFailure: () => Promise.resolve(false) }, // the core decides about restarts
  })
  if (cluster === undefined)
    throw new HoldfastError('HOLDFAST_UNSUPPORTED', 'this kafkajs makes its assigners without a cluster')
  assignor.follow(consumer)
  return { consumer, cluster }
}

/** How soon new partitions of a topic are found; 5 minutes by default, in which their records would wait. */
const METADATA_MAX_AGE_MS = 15_000

/** kafkajs' own default. */
const KAFKAJS_MAX_BYTES = 10_485_760

/** kafkajs calls each pause information and each rebalance an error; what matters of them is logged by this adapter. */
function quieter(logger: Logger): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.debug(fields, message),
    warn: (fields, message) => logger.debug(fields, message),
    error: (fields, message) => logger.warn(fields, message),
  }
}

/** What kafkajs refuses before it connects: a heartbeat interval that is not below the session timeout, an empty group id. */
function checked<T>(make: () => T, groupId: string): T {
  try {
    return make()
  } catch (error) {
    throw HoldfastError.is(error) ? error : holdfastError('HOLDFAST_CONFIG_INVALID', error, 'join', `group ${groupId}`)
  }
}

function closed(groupId: string): HoldfastError {
  return new HoldfastError('HOLDFAST_CLOSED', `the consumer of group ${groupId} is stopped`)
}

function crashError(error: unknown, groupId: string): HoldfastError {
  if (HoldfastError.is(error, 'HOLDFAST_CONSUMER_CRASHED')) return error
  const cause = toHoldfastError(error, 'join', `group ${groupId}`)
  const why = HoldfastError.is(error) ? error.code : describeFailure(readFailure(error))
  return new HoldfastError('HOLDFAST_CONSUMER_CRASHED', `the consumer of group ${groupId} ended by itself: ${why}`, {
    cause,
    retriable: cause.retriable,
  })
}
