import { noFailpoint } from '../clock/index.ts'
import type { DriverAdmin, DriverConsumer } from '../driver/index.ts'
import type { Inbox } from '../idempotency/index.ts'
import { dedupeIds } from '../idempotency/index.ts'
import type { Parking } from '../dlq/index.ts'
import { createParking } from '../dlq/index.ts'
import type { Events } from '../events/index.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { Assignment } from './assignment.ts'
import { createAssignment } from './assignment.ts'
import { createBackPressure } from './back-pressure.ts'
import type { Committer } from './commit.ts'
import { createCommitter } from './commit.ts'
import type { ConsumerSettings } from './consumer-settings.ts'
import { MAX_BYTES_PER_PARTITION, MAX_WAIT_MS } from './consumer-settings.ts'
import { createDispatcher } from './dispatcher.ts'
import type { Epoch } from './epoch.ts'
import type { HandlerTimeouts } from './handler-timeouts.ts'
import { createHandlerTimeouts } from './handler-timeouts.ts'
import type { InboxOfHandler } from './inbox-call.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import { createLeaseKeeper } from './lease-keeper.ts'
import type { PartitionLoop, PartitionLoopOptions } from './partition-loop.ts'
import { createPartitionLoop } from './partition-loop.ts'
import { formatPartition } from '../record/index.ts'
import { reportOutcome } from './report-outcome.ts'
import { createRebalanceHooks } from './rebalance-hooks.ts'
import type { FreshTopics } from './start-position.ts'
import { startPositions } from './start-position.ts'
import type { Subscription } from './subscription.ts'

/** Everything that one `start` brings to life and one `close` ends. */
export interface Member {
  readonly driverConsumer: DriverConsumer
  readonly admin: DriverAdmin
  readonly assignment: Assignment
  readonly committer: Committer
  /** Has the group not confirmed the membership for longer than the session timeout? */
  isSuspect(): boolean
  connect(): Promise<void>
  /** Leaves the group and lets go of all connections. What is to be committed has been. */
  leave(): Promise<void>
}

/** What a {@link Member} is made of. */
export interface MemberOptions {
  readonly settings: ConsumerSettings
  readonly subscriptions: ReadonlyMap<string, Subscription>
  /** Topics that `pause` holds; outlives the member. */
  readonly heldTopics: ReadonlySet<string>
  readonly events: Events<ConsumerEvents>
  /** Connected; closed with the member. */
  readonly admin: DriverAdmin
  readonly fresh: FreshTopics
  readonly onReady: () => void
  readonly failConsumer: (thrown: unknown) => void
}

/** How long the dead letter producer may take to finish what is under way: nothing, after a drain. */
const PARKING_CLOSE_MS = 5_000

/** What was in handlers when a process died comes first in the next assignment; twice that leaves room for what was not committed. */
const COUNTED_OF_EACH = 2

/** Makes a {@link Member}, wired and not yet connected. */
export function createMember(options: MemberOptions): Member {
  const { settings, subscriptions, heldTopics, events, admin, fresh, failConsumer } = options
  const { driver, groupId, logger, runtime, telemetry, sessionTimeoutMs, heartbeatIntervalMs } = settings
  const { clock } = runtime
  const driverConsumer = driver.createConsumer({
    groupId,
    sessionTimeoutMs,
    rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
    heartbeatIntervalMs,
    maxWaitMs: MAX_WAIT_MS,
    maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    runtime,
    logger,
  })
  const committer = createCommitter({
    consumer: driverConsumer,
    runtime,
    logger,
    events,
    intervalMs: settings.commitIntervalMs,
    metadata: driver.capabilities.commitMetadata,
    isAtMostOnce: (topic) => subscriptions.get(topic)!.delivery === 'at-most-once',
    isSuspect: () => isSuspect(),
    confirmMembership: (epoch) => confirmMembership(epoch),
  })
  const dispatcher = createDispatcher(settings.concurrency, clock)
  const parks = [...subscriptions.values()].some(({ deadLetterTopic }) => deadLetterTopic !== null)
  const parking: Parking | null = parks ? createParking({ driver, runtime, logger }) : null
  const keepers = new Map<Subscription, LeaseKeeper>()
  const inboxes = new Map<Subscription, InboxOfHandler>()
  const timeouts = new Map<Subscription, HandlerTimeouts>()
  const inboxOf = ({ topic }: Subscription, inbox: Inbox<unknown>): InboxOfHandler => ({
    inbox,
    idOf: dedupeIds({ groupId, handler: topic.name }),
    counted: COUNTED_OF_EACH * settings.concurrency,
  })
  for (const subscription of subscriptions.values()) {
    const { dedupe, inbox } = subscription
    timeouts.set(subscription, createHandlerTimeouts(clock, subscription.handlerTimeoutMs))
    if (dedupe !== null) keepers.set(subscription, createLeaseKeeper({ ...dedupe, groupId, clock, logger }))
    if (inbox !== null) inboxes.set(subscription, inboxOf(subscription, inbox))
  }
  const warned = new Set<string>()
  const warnOnce = (message: string): void => {
    if (warned.has(message)) return
    warned.add(message)
    logger.warn({ groupId }, message)
  }

  const isSuspect = (now = clock.monotonic()): boolean => {
    const beat = driverConsumer.lastHeartbeatAt()
    return beat !== null && now - beat > sessionTimeoutMs
  }
  const confirmMembership = async (epoch: Epoch): Promise<void> => {
    const stop = epoch.ownStop() // as many as there are places can wait here at a time
    while (!epoch.stopped && isSuspect()) {
      await clock.sleep(Math.min(heartbeatIntervalMs, 100), stop.signal).catch(() => {})
    }
    stop.forget()
  }

  const createLoop = (
    epoch: Epoch,
    loopOptions: Pick<PartitionLoopOptions, 'ready' | 'openLanes' | 'held' | 'onBuffered' | 'isFull'>,
  ): PartitionLoop => {
    const subscription = subscriptions.get(epoch.topic)!
    return createPartitionLoop({
      ...loopOptions,
      telemetry,
      pipeline: {
        groupId,
        epoch,
        subscription,
        dispatcher,
        timeouts: timeouts.get(subscription)!,
        parking,
        leases: keepers.get(subscription) ?? null,
        inbox: inboxes.get(subscription) ?? null,
        claim: committer.claim,
        events,
        logger,
        runtime,
        failpoint: runtime.failpoint === noFailpoint ? null : runtime.failpoint,
        isSuspect,
        confirmMembership: () => confirmMembership(epoch),
        failConsumer,
        warnOnce,
      },
      onMoved: () => committer.moved(epoch),
      onOutcome(record, outcome) {
        committer.moved(epoch)
        reportOutcome(record, outcome, events, logger)
      },
    })
  }

  const assignment = createAssignment({
    runtime,
    logger,
    events,
    committer,
    backPressure: createBackPressure(
      { maxBytes: settings.maxBufferedBytes, maxRecords: settings.maxBufferedRecords },
      driverConsumer,
    ),
    revoke: driver.capabilities.revoke,
    drainTimeoutMs: settings.drainTimeoutMs,
    hooks: createRebalanceHooks({ hooks: settings.hooks, budgetMs: settings.hookBudgetMs, runtime, logger }),
    onOutOfRange: settings.onOutOfRange,
    seekDriver: (position) => driverConsumer.seek(position),
    onStartCommitted: (partition) => void fresh.begun.add(formatPartition(partition)),
    startPositions: (partitions) => startPositions(partitions, settings.startAt, fresh, admin),
    heldTopics,
    createLoop,
    onReady: options.onReady,
  })

  return {
    driverConsumer,
    admin,
    assignment,
    committer,
    isSuspect,
    async connect() {
      await parking?.connect()
    },
    async leave() {
      committer.close()
      for (const keeper of keepers.values()) keeper.close()
      for (const each of timeouts.values()) each.close()
      // Each whatever became of the one before: a connection that stays open would keep the process alive.
      try {
        await driverConsumer.stop()
      } finally {
        try {
          await parking?.close({ timeoutMs: PARKING_CLOSE_MS })
        } finally {
          await admin.close()
        }
      }
    },
  }
}
