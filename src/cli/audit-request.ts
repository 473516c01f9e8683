import type { HoldfastConfig, Problem } from 'holdfast'
import { durationMs, momentMs } from './audit-window.ts'
import { unfit } from './load-configuration.ts'

/** What `holdfast audit` takes. */
export interface AuditCommandOptions {
  readonly config?: string
  readonly json?: boolean
  readonly from: string
  readonly to: string
  readonly group?: string
  readonly handler?: string
  readonly since?: string
  readonly until?: string
  readonly grace?: string
  readonly extra?: string | boolean
  readonly memoryMb?: string
  readonly show?: string
  readonly keys?: boolean
  readonly brokers?: string
  readonly schema?: string
  readonly outboxTable?: string
  readonly inboxTable?: string
  readonly databaseUrl?: string
}

/** One side of it. */
type AuditSide =
  { readonly kind: 'outbox' } | { readonly kind: 'topic'; readonly topic: string } | { readonly kind: 'inbox' }

/** What is asked for, understood. */
export interface AuditRequest {
  readonly sides:
    | { readonly kind: 'outbox-topic'; readonly topic: string; readonly table: string }
    | { readonly kind: 'topic-topic'; readonly from: string; readonly to: string }
    | {
        readonly kind: 'topic-inbox'
        readonly topic: string
        readonly groupId: string
        readonly handler: string
        readonly table: string
      }
  readonly schema: string
  readonly sinceMs: number | null
  readonly untilMs: number | null
  readonly graceMs: number
  readonly memoryBytes: number
  readonly show: number
  readonly extra: boolean
  /** Of whom extras are looked for; null for everybody. */
  readonly source: string | null
  /** Null: the driver of the configuration. */
  readonly brokers: readonly string[] | null
}

/** @throws HOLDFAST_CONFIG_INVALID with everything that is wrong with the call */
export function auditRequest(
  options: AuditCommandOptions,
  { postgres, driver }: HoldfastConfig,
  nowMs: number,
): AuditRequest {
  const problems: Problem[] = []
  const read = <T>(
    path: string,
    text: string | undefined,
    parse: (text: string) => T | null,
    message: string,
  ): T | null => {
    if (text === undefined) return null
    const value = parse(text)
    if (value === null) problems.push({ path, message })
    return value
  }
  const moment = (text: string): number | null => momentMs(text, nowMs)
  const sinceMs = read('--since', options.since, moment, MOMENT)
  const untilMs = read('--until', options.until, moment, MOMENT)
  if (sinceMs !== null && untilMs !== null && untilMs <= sinceMs)
    problems.push({ path: '--until', message: 'must be after --since' })
  const graceMs = read('--grace', options.grace, durationMs, 'must be a duration, such as 30s or 5min') ?? 30_000
  const memoryMb = read('--memory-mb', options.memoryMb, within(1, 65_536), 'must be an integer of 1 to 65,536') ?? 64
  const show = read('--show', options.show, within(0, 100_000), 'must be an integer of 0 to 100,000') ?? 20
  const brokers = read('--brokers', options.brokers, brokerList, 'must be like host:9092,host:9092')
  if (options.brokers === undefined && driver === undefined)
    problems.push({ path: '--brokers', message: 'name them, or write driver into the configuration' })
  const sides = sidesOf(options, postgres, problems)
  if (options.extra !== undefined && sides?.kind === 'topic-inbox')
    problems.push({ path: '--extra', message: 'cannot be told of an inbox: it holds no ids, only their hashes' })
  if (problems.length > 0 || sides === null) throw unfit('the call does not fit', problems)
  return {
    sides,
    schema: options.schema ?? postgres?.schema ?? 'public',
    sinceMs,
    untilMs,
    graceMs,
    memoryBytes: memoryMb * 2 ** 20,
    show,
    extra: options.extra !== undefined,
    source: typeof options.extra === 'string' ? options.extra : null,
    brokers,
  }
}

const MOMENT = 'must be an ISO time with its zone, such as 2026-11-29T12:00:00Z, or a duration before now, such as 2h'

function sidesOf(
  options: AuditCommandOptions,
  postgres: HoldfastConfig['postgres'],
  problems: Problem[],
): AuditRequest['sides'] | null {
  const from = sideOf(options.from)
  const to = sideOf(options.to)
  if (from === null || from.kind === 'inbox')
    problems.push({ path: '--from', message: 'must be outbox, or topic:<name>' })
  if (to === null || to.kind === 'outbox') problems.push({ path: '--to', message: 'must be topic:<name>, or inbox' })
  for (const [path, given] of [
    ['--group', options.group],
    ['--handler', options.handler],
  ] as const)
    if (given !== undefined && to !== null && to.kind !== 'inbox')
      problems.push({ path, message: 'belongs to --to inbox' })
  if (from === null || to === null) return null
  if (from.kind === 'outbox' && to.kind === 'topic')
    return {
      kind: 'outbox-topic',
      topic: to.topic,
      table: options.outboxTable ?? postgres?.outbox?.table ?? 'holdfast_outbox',
    }
  if (from.kind === 'outbox' && to.kind === 'inbox')
    problems.push({
      path: '--from',
      message: 'must be topic:<name> with --to inbox: audit outbox to topic, then topic to inbox',
    })
  if (from.kind !== 'topic') return null
  if (to.kind === 'topic') {
    if (from.topic === to.topic) problems.push({ path: '--to', message: 'must be another topic than --from' })
    return { kind: 'topic-topic', from: from.topic, to: to.topic }
  }
  if (options.group === undefined) problems.push({ path: '--group', message: 'is needed with --to inbox' })
  return {
    kind: 'topic-inbox',
    topic: from.topic,
    groupId: options.group ?? '',
    handler: options.handler ?? from.topic,
    table: options.inboxTable ?? postgres?.table ?? 'holdfast_dedupe',
  }
}

function sideOf(text: string): AuditSide | null {
  if (text === 'outbox' || text === 'inbox') return { kind: text }
  const topic = /^topic:(.+)$/.exec(text)?.[1]
  return topic === undefined ? null : { kind: 'topic', topic }
}

function within(least: number, most: number) {
  return (text: string): number | null => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN
    return number >= least && number <= most ? number : null
  }
}

function brokerList(text: string): readonly string[] | null {
  const brokers = text.split(',').map((each) => each.trim())
  return brokers.every((each) => /^(\[[\da-fA-F:]+\]|[^\s:/@]+):\d{1,5}$/.test(each)) ? brokers : null
}
