import type { ConsumerCallbacks } from '../driver/index.ts'
import { checkDeadLetterTopics, loopingRoutes } from '../dlq/index.ts'
import type { DeadLetterRoute } from '../dlq/index.ts'
import type { ErrorCode, Problem } from '../errors/index.ts'
import { describeError, describeForLog, errorTypeOf, HoldfastError } from '../errors/index.ts'
import { createEvents } from '../events/index.ts'
import type { Backoff } from '../retry/index.ts'
import { backoffDelay } from '../retry/index.ts'
import { checkStores } from './check-stores.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import type { Consumer, ConsumerHealth } from './consumer.ts'
import { consumerSettings } from './consumer-settings.ts'
import { judgeHealth } from './health.ts'
import type { Member } from './member.ts'
import { createMember } from './member.ts'
import { brokenBounds } from './plan-bounds.ts'
import type { ReliabilityPlan } from './reliability-plan.ts'
import { reliabilityPlan } from './reliability-plan.ts'
import { positionsOf } from './seek-target.ts'
import { findFreshTopics } from './start-position.ts'
import type { CheckedSubscription, Subscription } from './subscription.ts'
import { createBatchSubscription, createSubscription } from './subscription.ts'
import type { Watchdog } from './watchdog.ts'
import { createWatchdog } from './watchdog.ts'

/** Between the end of a stay in the group and the next: 1 s, doubling, at most 30 s. A stay of a minute begins it anew. */
const RESTART: Backoff = { initialDelayMs: 1_000, factor: 2, maxDelayMs: 30_000, jitter: 0.2 }
const STEADY_MS = 60_000

/**
 * Makes a {@link Consumer}. Nothing is connected before `start`.
 *
 * Calling `close` inside a handler is safe as long as the handler does not await it: the drain waits for the handler. One that does
 * await it waits for itself until `drainTimeoutMs` is over; then its signal aborts, and the close goes on without it.
 *
 * @throws HOLDFAST_CONFIG_INVALID, listing every problem.
 */
export function createConsumer(options: ConsumerOptions): Consumer {
  const settings = consumerSettings(options)
  const { driver, groupId, logger, runtime } = settings
  const { clock } = runtime
  const events = createEvents<ConsumerEvents>(logger)
  const subscriptions = new Map<string, Subscription>()
  const heldTopics = new Set<string>()
  const problems: Problem[] = []
  const closed = deferred()
  const closing = new AbortController()
  let state: ConsumerHealth['state'] = 'new'
  let member: Member | null = null
  let starting: Promise<void> | null = null
  let shuttingDown: Promise<void> | null = null
  let firstAssignment = deferred()
  let crash: string | null = null
  let crashes = 0
  let assignedAt: number | null = null
  let watchdog: Watchdog | null = null
  let unguarded = 0
  events.listen('unguarded', () => void unguarded++)

  const refuseUnfit = (): void => {
    const found = [
      ...problems,
      ...loopingRoutes(routes(), [...subscriptions.keys()]),
      ...brokenBounds(planNow(), problems),
    ]
    if (subscriptions.size === 0) found.push({ path: 'on', message: 'needs one topic or more' })
    if (found.length > 0) throw unfitOptions(found)
  }

  const planNow = (): ReliabilityPlan => reliabilityPlan(settings, [...subscriptions.values()])

  const routes = (): readonly DeadLetterRoute[] =>
    [...subscriptions.values()].flatMap(({ topic, deadLetterTopic }) =>
      deadLetterTopic === null ? [] : [{ topic: topic.name, deadLetterTopic }],
    )

  const begin = async (): Promise<void> => {
    refuseUnfit()
    state = 'starting'
    firstAssignment = deferred()
    watchdog ??= createWatchdog(clock, settings, (forMs) => {
      logger.warn(
        { groupId, forMs },
        'the event loop stood still: something computes for too long without a pause, or the process was stopped',
      )
      events.emit('blocked', { forMs })
    })
    const topics = [...subscriptions.keys()]
    const admin = driver.createAdmin({ runtime, logger })
    try {
      await admin.connect()
      const counts = await admin.partitionCounts(topics)
      const missing = topics.filter((topic) => !counts.has(topic))
      if (missing.length > 0) throw unknownTopics(missing)
      await checkDeadLetterTopics(admin, routes())
      await checkStores([...subscriptions.values()], settings)
      const fresh = await findFreshTopics(admin, groupId, counts)
      await runtime.failpoint('start:checked')
      if (closing.signal.aborted) throw isClosed()
      member = createMember({ settings, subscriptions, heldTopics, events, admin, fresh, onReady, failConsumer })
      await member.connect()
      await member.driverConsumer.start(topics, callbacksOf(member))
      await firstAssignment.promise
    } catch (error) {
      const failed = member
      member = null
      failed?.assignment.stop() // what would still come to it has nobody any more
      failed?.assignment.loseAll(isClosed()) // an assignment may still be looking for its start, and would for ever
      await failed?.leave().catch(ignore)
      await admin.close().catch(ignore)
      watchdog?.close() // a consumer that never started may never be closed
      watchdog = null
      if (shuttingDown === null) state = 'new'
      throw error
    }
  }

  const callbacksOf = ({ assignment }: Member): ConsumerCallbacks => ({
    onAssigned: (partitions) => assignment.onAssigned(partitions),
    onRevoked: (partitions, epoch) => assignment.onRevoked(partitions, epoch),
    onLost: (partitions, epoch) => assignment.onLost(partitions, epoch),
    onBatch: (batch) => assignment.onBatch(batch),
    onOutOfRange: (position) => assignment.onOutOfRange(position),
    onCrash: (error) => {
      assignment.loseAll(error)
      if (state === 'starting') firstAssignment.reject(error)
      else if (shuttingDown === null) void restart(error)
    },
  })

  const onReady = (): void => {
    if (shuttingDown !== null) return
    state = 'running'
    crash = null
    assignedAt = clock.monotonic()
    firstAssignment.resolve()
  }

  /** Never gives up and never falls silent: a consumer that has stopped and looks healthy is the worst kind. */
  const restart = async (first: HoldfastError): Promise<void> => {
    state = 'restarting'
    if (assignedAt !== null && clock.monotonic() - assignedAt >= STEADY_MS) crashes = 0
    assignedAt = null
    for (let error: unknown = first; ;) {
      if (closing.signal.aborted) return
      const reason = asHoldfastError(error)
      crash = reason.message
      const restartInMs = backoffDelay(RESTART, ++crashes, runtime.random())
      logger.error(
        { groupId, error: describeForLog(reason), restartInMs },
        'the consumer ended by itself; it is started again',
      )
      events.emit('crashed', { error: reason, restartInMs })
      try {
        await clock.sleep(restartInMs, closing.signal)
      } catch {
        return // it closes
      }
      try {
        await runtime.failpoint('consumer:restarting')
        await member?.driverConsumer.start([...subscriptions.keys()], callbacksOf(member))
        return
      } catch (thrown) {
        error = thrown
      }
    }
  }

  const failConsumer = (thrown: unknown): void => {
    if (shuttingDown !== null) return
    const errorType = errorTypeOf(describeError(thrown))
    const message = `group ${groupId}: an error rule stopped the consumer (${errorType}); the record's offset has not moved`
    const failure = new HoldfastError('HOLDFAST_STOPPED_BY_RULE', message, { cause: thrown })
    logger.error({ groupId, error: describeForLog(thrown) }, 'an error rule stopped the consumer')
    shuttingDown = shutDown(failure)
  }

  const shutDown = async (failure: HoldfastError | null): Promise<void> => {
    const wasStarting = state === 'starting'
    state = 'closing'
    closing.abort(isClosed())
    firstAssignment.reject(isClosed())
    member?.assignment.stop() // now, and not after an await: the record that a rule stops the consumer at would be handled once more
    try {
      await runtime.failpoint('close:begin')
      if (wasStarting) {
        await starting?.catch(ignore) // it fails, and cleans up behind itself
      } else if (member !== null) {
        await member.assignment.closeAll(isClosed())
        await member.leave()
      }
    } catch (error) {
      logger.error({ groupId, error: describeForLog(error) }, 'the consumer did not close cleanly')
    }
    watchdog?.close()
    crash = failure?.message ?? null
    state = failure === null ? 'closed' : 'failed'
    if (failure === null) closed.resolve()
    else closed.reject(failure)
  }

  const named = (topics: readonly string[] | undefined): readonly string[] => {
    const unknown = topics?.filter((topic) => !subscriptions.has(topic)) ?? []
    if (unknown.length === 0) return topics ?? [...subscriptions.keys()]
    const found = unknown.map((topic) => ({ path: topic, message: 'is not a topic of this consumer' }))
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'consumer: no such topic', { problems: found })
  }

  const notStarted = (): HoldfastError =>
    new HoldfastError('HOLDFAST_EPOCH_LOST', `the consumer of group ${groupId} is not started: it owns nothing`)

  const isClosed = (): HoldfastError =>
    new HoldfastError('HOLDFAST_CLOSED', `the consumer of group ${groupId} is closed or closing`)

  const subscribe = ({ subscription, problems: found }: CheckedSubscription): Consumer => {
    const { name } = subscription.topic
    if (state !== 'new') {
      const late = [{ path: name, message: 'must be added before start' }]
      throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'consumer: it has started', { problems: late })
    }
    problems.push(...found)
    if (subscriptions.has(name)) problems.push({ path: name, message: 'has a handler already: one topic, one handler' })
    subscriptions.set(name, subscription)
    return consumer
  }

  const consumer: Consumer = {
    on: (topic, handler, chosen) => subscribe(createSubscription(topic, handler, chosen)),
    onBatch: (topic, handler, chosen) => subscribe(createBatchSubscription(topic, handler, chosen)),
    start() {
      if (shuttingDown !== null) return Promise.reject(isClosed())
      starting ??= begin().catch((error: unknown) => {
        starting = null // so that it can be tried again
        throw error
      })
      return starting
    },
    pause(topics) {
      const held = named(topics)
      for (const topic of held) heldTopics.add(topic)
      member?.assignment.heldChanged(held)
    },
    resume(topics) {
      const released = named(topics)
      for (const topic of released) heldTopics.delete(topic)
      member?.assignment.heldChanged(released)
    },
    async seek(to) {
      const target = shuttingDown === null ? member : null
      if (target === null) throw state === 'new' || state === 'starting' ? notStarted() : isClosed()
      const owned = target.assignment.owned().map(({ epoch }) => epoch)
      const positions = await positionsOf(to, [...subscriptions.keys()], owned, target.admin)
      await target.assignment.seek(positions)
      return positions
    },
    health: () =>
      judgeHealth({
        state,
        owned: member?.assignment.owned() ?? [],
        unassignedSince: member?.assignment.unassignedSince ?? null,
        rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
        heldTopics,
        suspect: member?.isSuspect() ?? false,
        commitTrouble: member?.committer.trouble ?? null,
        crash,
        blocked: watchdog?.last ?? null,
        unguarded,
        sessionTimeoutMs: settings.sessionTimeoutMs,
        now: clock.monotonic(),
      }),
    plan() {
      if (problems.length > 0) throw unfitOptions(problems)
      return planNow()
    },
    listen: (name, listener) => events.listen(name, listener),
    async close() {
      await (shuttingDown ??= shutDown(null))
    },
    closed: closed.promise,
    [Symbol.asyncDispose]: () => consumer.close(),
  }
  return consumer
}

interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: HoldfastError): void
}

/** A promise to be settled from outside. That nobody listens to its rejection ends no process. */
function deferred(): Deferred {
  let settle: Omit<Deferred, 'promise'>
  const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }))
  promise.catch(ignore)
  return { promise, resolve: () => settle.resolve(), reject: (error) => settle.reject(error) }
}

function ignore(): void {}

function unfitOptions(problems: readonly Problem[]): HoldfastError {
  return new HoldfastError('HOLDFAST_CONFIG_INVALID', 'consumer: options do not fit', { problems })
}

function unknownTopics(missing: readonly string[]): HoldfastError {
  const problems = missing.map((topic) => ({ path: topic, message: 'does not exist, or may not be seen' }))
  return new HoldfastError('HOLDFAST_TOPIC_UNKNOWN', 'consumer: topics are missing', { problems })
}

function asHoldfastError(error: unknown): HoldfastError {
  if (HoldfastError.is(error)) return error
  const code: ErrorCode = 'HOLDFAST_CONSUMER_CRASHED'
  return new HoldfastError(code, `the consumer ended by itself (${errorTypeOf({ name: describeError(error).name })})`, {
    cause: error,
    retriable: true,
  })
}
