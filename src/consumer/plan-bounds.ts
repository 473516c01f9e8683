import type { Problem } from '../errors/index.ts'
import type { ConsumerSettings } from './consumer-settings.ts'
import { COMMIT_BUDGET_MS, MAX_WAIT_MS, timeToGive } from './consumer-settings.ts'
import { handlersOfInboxes } from './inbox-handlers.ts'
import type { PlanBound, ReliabilityPlan } from './reliability-plan.ts'
import type { Subscription } from './subscription.ts'

/** The bounds of a consumer as a whole. `createConsumer` refuses those of them that its own options can break. */
export function consumerBounds(settings: ConsumerSettings, subscriptions: readonly Subscription[]): PlanBound[] {
  const { heartbeatIntervalMs, sessionTimeoutMs, rebalanceTimeoutMs, drainTimeoutMs, concurrency, hooks } = settings
  const neededMs = timeToGive(settings)
  const bounds: PlanBound[] = [
    {
      name: 'heartbeats within the session',
      path: 'heartbeatIntervalMs',
      holds: heartbeatIntervalMs < sessionTimeoutMs,
      arithmetic: `${shown('heartbeatIntervalMs', heartbeatIntervalMs)} < ${shown('sessionTimeoutMs', sessionTimeoutMs)}`,
      why: 'The broker would take a healthy member for dead and give its partitions to others.',
    },
    {
      name: 'drain and commit within the rebalance',
      path: 'rebalanceTimeoutMs',
      holds: neededMs <= rebalanceTimeoutMs,
      arithmetic: `${[
        shown('drainTimeoutMs', drainTimeoutMs),
        shown('heartbeatIntervalMs', heartbeatIntervalMs),
        shown('fetch', MAX_WAIT_MS),
        shown('commit', COMMIT_BUDGET_MS),
      ].join(' + ')} = ${number(neededMs)} <= ${shown('rebalanceTimeoutMs', rebalanceTimeoutMs)}`,
      why: 'What is drained and committed later is refused, and handled once more by the next owner.',
    },
  ]
  if (hooks.onRevoked !== undefined) {
    bounds.push({
      name: 'time for onRevoked',
      path: 'rebalanceTimeoutMs',
      holds: neededMs < rebalanceTimeoutMs,
      arithmetic: `${shown('rebalanceTimeoutMs', rebalanceTimeoutMs)} - ${number(neededMs)} = ${number(rebalanceTimeoutMs - neededMs)} > 0`,
      why: 'onRevoked gets what is left of the rebalance: with nothing left, partitions go before their state is stored.',
    })
  }
  for (const [inbox, handlers] of handlersOfInboxes(subscriptions, concurrency)) {
    const [topic] = subscriptions.filter((each) => each.inbox === inbox).map((each) => each.topic.name)
    const most = told(inbox, 'maxConnections') - SPARE_CONNECTIONS
    bounds.push({
      name: 'handlers fit the pool',
      path: `${topic}.inbox`,
      holds: ifKnown(handlers <= most, handlers, most),
      arithmetic: `${shown('handlers at a time', handlers)} <= ${shown('connections', most + SPARE_CONNECTIONS)} - ${SPARE_CONNECTIONS} = ${number(most)}`,
      why: 'Handlers that hold all connections leave none for marking a parked message or for ending the transaction of one that hangs.',
    })
  }
  return bounds
}

/** As the port of inboxes says. */
const SPARE_CONNECTIONS = 2

/** The bounds of one topic. @param longestRetryMs - from the first call to the end of the last */
export function topicBounds(
  { maxLagMs, replayWindowMs }: Pick<ConsumerSettings, 'maxLagMs' | 'replayWindowMs'>,
  { topic, dedupe, inbox, handlerTimeoutMs }: Subscription,
  longestRetryMs: number,
): PlanBound[] {
  const memory = dedupe?.store ?? inbox
  if (memory === null) return []
  const bounds: PlanBound[] = []
  if (dedupe !== null) {
    const { leaseMs } = dedupe
    bounds.push({
      name: 'lease outlives the handler',
      path: `${topic.name}.dedupe.leaseMs`,
      holds: ifKnown(leaseMs > handlerTimeoutMs, leaseMs, handlerTimeoutMs),
      arithmetic: `${shown('leaseMs', leaseMs)} > ${shown('handlerTimeoutMs', handlerTimeoutMs)}`,
      why: 'A process that cannot renew its lease would lose the message to another while its handler still runs: both have the effect.',
    })
  }
  const ttlMs = ttlOf(memory)
  const neededMs = longestRetryMs + maxLagMs + replayWindowMs
  bounds.push({
    name: 'memory outlives duplicates',
    path: `${topic.name}.${dedupe === null ? 'inbox' : 'dedupe.store'}`,
    holds: ifKnown(ttlMs >= neededMs, ttlMs, neededMs),
    arithmetic: `${shown('ttlMs', ttlMs)} >= ${[
      shown('longest retry', longestRetryMs),
      shown('maxLagMs', maxLagMs),
      shown('replayWindowMs', replayWindowMs),
    ].join(' + ')} = ${number(neededMs)}`,
    why: 'A duplicate that comes after its mark is forgotten is handled once more.',
  })
  return bounds
}

/** How long a store or an inbox remembers what is done, in milliseconds; NaN where it does not tell. */
export function ttlOf(memory: unknown): number {
  return told(memory, 'ttlMs')
}

/** What a start refuses. @param told - where a value is wrong by itself nothing more can be said of it */
export function brokenBounds(plan: ReliabilityPlan, told: readonly Problem[]): readonly Problem[] {
  const paths = new Set(told.map(({ path }) => path))
  return [...plan.bounds, ...plan.topics.flatMap(({ bounds }) => bounds)]
    .filter(({ holds, path }) => holds === false && !paths.has(path))
    .map(({ path, arithmetic, why }) => ({ path, message: `${arithmetic} does not hold. ${why}` }))
}

/** Of a store or inbox of somebody's own, which may be anything: NaN where it tells no number. */
function told(of: unknown, name: string): number {
  const value: unknown = Reflect.get(Object(of), name)
  return typeof value === 'number' ? value : Number.NaN
}

/** Options that are no numbers come here too: the schema has told of them, and they are never shown. */
function ifKnown(holds: boolean, ...numbers: readonly unknown[]): boolean | 'unknown' {
  return numbers.every((each) => typeof each === 'number' && !Number.isNaN(each)) ? holds : 'unknown'
}

function shown(name: string, value: number): string {
  return `${name} ${number(value)}`
}

/** With a comma before each three digits: a missing zero is seen. */
function number(value: unknown): string {
  if (typeof value !== 'number' || Number.isNaN(value)) return 'unknown'
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}
