import type { PlanBound, ReliabilityPlan, TopicPlan } from 'holdfast'
import { duration } from './duration.ts'
import type { Paint } from './paint.ts'
import { printable } from './printable.ts'
import { columns } from './table.ts'

/** How many bounds hold, and how many do not. */
export interface BoundCounts {
  readonly holding: number
  readonly broken: number
  readonly unknown: number
}

/** Counts the bounds of all plans. */
export function countBounds(plans: readonly ReliabilityPlan[]): BoundCounts {
  const all = plans.flatMap((plan) => [...plan.bounds, ...plan.topics.flatMap(({ bounds }) => bounds)])
  const count = (wanted: PlanBound['holds']): number => all.filter(({ holds }) => holds === wanted).length
  return { holding: count(true), broken: count(false), unknown: count('unknown') }
}

/** Plans as people read them. */
export function planReport(plans: readonly ReliabilityPlan[], paint: Paint): string {
  const { holding, broken, unknown } = countBounds(plans)
  const verdict = [
    paint.good(`${holding} ${holding === 1 ? 'bound holds' : 'bounds hold'}`),
    ...(broken > 0 ? [paint.bad(`${broken} ${broken === 1 ? 'does' : 'do'} not`)] : []),
    ...(unknown > 0 ? [paint.doubtful(`${unknown} cannot be known`)] : []),
  ]
  return [...plans.flatMap((plan) => [...consumerLines(plan, paint), '']), verdict.join(', '), ''].join('\n')
}

const HEADINGS = [
  'topic',
  'delivered',
  'order',
  'at a time',
  'attempts',
  'longest retry',
  'exhausted',
  'duplicates',
  'lease',
  'remembered',
]

function consumerLines(plan: ReliabilityPlan, paint: Paint): readonly string[] {
  const [headings = '', ...topics] = columns([HEADINGS, ...plan.topics.map(topicRow)])
  const { sessionTimeoutMs, rebalanceTimeoutMs, drainTimeoutMs, maxLagMs, replayWindowMs } = plan
  const times = [
    `session ${duration(sessionTimeoutMs)}`,
    `rebalance ${duration(rebalanceTimeoutMs)}`,
    `drain ${duration(drainTimeoutMs)}`,
    `greatest lag ${duration(maxLagMs)}`,
    `replay window ${duration(replayWindowMs)}`,
  ]
  return [
    `${paint.heading(`group ${printable(plan.groupId)}`)}: ${plan.concurrency} handlers at a time, ${times.join(', ')}`,
    '',
    `  ${paint.faint(headings)}`,
    ...topics.map((line) => `  ${line}`),
    '',
    ...boundLines(plan, paint),
  ]
}

function topicRow(plan: TopicPlan): readonly string[] {
  const { topic, delivery, handles, maxBatchSize, ordering, concurrency, retry, exhausted, duplicates } = plan
  return [
    topic,
    delivery.replaceAll('-', ' '),
    handles === 'batches' ? `batches of ${maxBatchSize}` : ordering,
    String(concurrency),
    String(retry.maxAttempts),
    duration(retry.longestMs),
    exhausted.kind === 'parked' ? exhausted.deadLetterTopic : exhausted.kind,
    DUPLICATES[duplicates.kind],
    duplicates.kind === 'store' ? duration(duplicates.leaseMs) : '-',
    'remembersMs' in duplicates ? remembered(duplicates.remembersMs) : '-',
  ].map(printable)
}

const DUPLICATES: Readonly<Record<TopicPlan['duplicates']['kind'], string>> = {
  none: 'handled again',
  never: 'none come',
  store: 'store',
  inbox: 'inbox',
}

function remembered(ms: number | 'for ever' | 'unknown'): string {
  return typeof ms === 'number' ? duration(ms) : ms
}

const MARKS = [
  [true, 'ok', 'good'],
  [false, 'BROKEN', 'bad'],
  ['unknown', 'unknown', 'doubtful'],
] as const

function boundLines(plan: ReliabilityPlan, paint: Paint): readonly string[] {
  const bounds = [
    ...plan.bounds.map((bound) => ({ bound, of: '' })),
    ...plan.topics.flatMap(({ topic, bounds }) => bounds.map((bound) => ({ bound, of: `${topic}: ` }))),
  ]
  const rows = columns(
    bounds.map(({ bound: { holds, name, arithmetic }, of }) => {
      const [, mark] = MARKS.find(([verdict]) => verdict === holds)!
      return [mark, printable(`${of}${name}`), arithmetic]
    }),
  )
  return rows.flatMap((row, i) => {
    const { holds, path, why } = bounds[i]!.bound
    const [, mark, look] = MARKS.find(([verdict]) => verdict === holds)!
    const line = `  ${paint[look](mark)}${row.slice(mark.length)}`
    return holds === true ? [line] : [line, `    ${printable(path)}: ${why}`]
  })
}
