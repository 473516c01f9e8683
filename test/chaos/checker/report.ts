import type { HistoryEvent, OffsetRange } from '../history/index.ts'
import type { CheckResult, Example } from './check-history.ts'
import { laneChart } from './lane-chart.ts'

/** What of a scenario a report shows. */
export interface ReportedScenario {
  readonly name: string
  readonly events: readonly HistoryEvent[]
  readonly check: CheckResult
}

/** For a human: what was found, what was going on around it, and who was alive when. */
export function formatReport({ name, events, check }: ReportedScenario): string {
  const from = events[0]?.t ?? 0
  const lines = [
    `${check.valid ? 'valid' : 'NOT VALID'}: ${name}, ${events.length} events`,
    '',
    ...laneChart(events, { firstViolationAt: check.firstViolationAt }),
    '',
    ...countersOf(check),
  ]
  for (const { invariant, type, count, examples } of check.anomalies) {
    lines.push('', `${invariant} ${type}: ${count}${count > examples.length ? `, the worst ${examples.length}` : ''}`)
    for (const example of examples) lines.push(...exampleLines(example, from))
  }
  return `${lines.join('\n')}\n`
}

function countersOf({ counters, vacuous }: CheckResult): string[] {
  const counted = Object.entries(counters).map(([name, count]) => `${name} ${count}`)
  const missing = vacuous.map((name) => `never happened, so that nothing is proven about it: ${name}`)
  return [`counted: ${counted.join(', ')}`, ...missing]
}

function exampleLines({ at, text, around }: Example, from: number): string[] {
  const when = at === undefined ? '' : `${secondsFrom(from, at)}  `
  return [`  ${when}${text}`, ...around.map((event) => `      ${secondsFrom(from, event.t)}  ${eventLine(event)}`)]
}

function secondsFrom(from: number, t: number): string {
  return `${((t - from) / 1e6).toFixed(3)} s`
}

/** `consumer-1#1:7 commit-ok orders[0]@17 group=g epoch=2`. */
function eventLine(event: HistoryEvent): string {
  const place =
    'partition' in event ? [`${event.topic}[${event.partition}]${'offset' in event ? `@${event.offset}` : ''}`] : []
  const others = Object.entries(event).filter(([name]) => !SHOWN_APART.has(name))
  return [
    `${event.proc}:${event.i}`,
    event.f,
    ...place,
    ...others.map(([name, value]) => `${name}=${shown(value)}`),
  ].join(' ')
}

const SHOWN_APART: ReadonlySet<string> = new Set(['i', 't', 'proc', 'f', 'topic', 'partition', 'offset'])

function shown(value: unknown): string {
  if (!Array.isArray(value)) return String(value)
  return value.map((each: OffsetRange | string) => (typeof each === 'string' ? each : each.join('-'))).join(',')
}
