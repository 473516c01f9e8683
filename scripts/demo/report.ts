import type { Findings } from './audit.ts'
import { groupBy } from './group-by.ts'

/** The audit as a table, with the findings themselves below it. @param killed - services that were killed on the way */
export function reportTable(findings: Findings, killed: readonly string[]): readonly string[] {
  const { outcomes, parked, skipped, lost, doubled, outOfOrder, misbooked, repeatedEvents } = findings
  const rows: ReadonlyArray<readonly [what: string, count: number, remark: string]> = [
    ['orders accepted', findings.orders, ''],
    ...Object.entries(outcomes).map(([outcome, count]) => [`  ${outcome}`, count, ''] as const),
    ['parked', sum(parked), 'dead letters; one for each group that met the record'],
    ...Object.entries(parked).map(([reason, count]) => [`  ${reason}`, count, ''] as const),
    ['skipped by a declared rule', skipped, skipped === 0 ? '' : 'analytics acknowledges what it cannot count'],
    ['lost', lost.length, ''],
    ['doubled', doubled.length, doublings(doubled, killed)],
    ['out of order', outOfOrder.length, ''],
    ['misbooked articles', misbooked.length, ''],
    [
      'events sent again',
      repeatedEvents,
      repeatedEvents === 0 ? '' : 'with their old ids, recognised by their readers',
    ],
  ]
  const width = Math.max(...rows.map(([what]) => what.length))
  return [
    ...rows.map(([what, count, remark]) => `${what.padEnd(width)}  ${String(count).padStart(6)}  ${remark}`.trimEnd()),
    ...listed('Lost', lost),
    ...listed(
      'Doubled',
      doubled.map(({ service, what }) => `${service}: ${what}`),
    ),
    ...listed('Out of order', outOfOrder),
    ...listed('Misbooked', misbooked),
  ]
}

/** The line that `--json` ends with. */
export function reportJson({ orders, outcomes, parked, lost, doubled, outOfOrder }: Findings): string {
  return JSON.stringify({
    orders,
    outcomes,
    parked,
    lost: lost.length,
    doubled: doubled.length,
    outOfOrder: outOfOrder.length,
  })
}

/** Does the run count as failed? What is doubled is allowed: at least once is what was promised. */
export function isBroken({ lost, outOfOrder, misbooked }: Findings): boolean {
  return lost.length + outOfOrder.length + misbooked.length > 0
}

const SHOWN = 10

function listed(title: string, sentences: readonly string[]): readonly string[] {
  if (sentences.length === 0) return []
  const rest = sentences.length - SHOWN
  return [
    '',
    `${title}:`,
    ...sentences.slice(0, SHOWN).map((sentence) => `  ${sentence}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ]
}

function doublings(doubled: Findings['doubled'], killed: readonly string[]): string {
  if (doubled.length === 0) return ''
  const services = [...groupBy(doubled, ({ service }) => service)].map(([service, each]) => {
    const why = killed.includes(service)
      ? ' (killed between its effect and its commit; its memory store died with it)'
      : ''
    return `${each.length} by ${service}${why}`
  })
  return services.join(', ')
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
