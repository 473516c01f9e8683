import type { Cause, Findings, Repetition } from './audit.ts'
import { groupBy } from './group-by.ts'

/** The audit as a table, with the findings themselves below it. @param scaled - the service that had members come and go */
export function reportTable(findings: Findings, scaled: string): readonly string[] {
  const { outcomes, parked, skipped, lost, repeated, doubled, outOfOrder, misbooked, commitsBack, repeatedEvents } =
    findings
  const ofScaled = repeated.filter(({ service }) => service === scaled).length
  const rows: ReadonlyArray<readonly [what: string, count: number, remark: string]> = [
    ['orders accepted', findings.orders, ''],
    ...Object.entries(outcomes).map(([outcome, count]) => [`  ${outcome}`, count, ''] as const),
    ['parked', sum(parked), 'dead letters; one for each group that met the record'],
    ...Object.entries(parked).map(([reason, count]) => [`  ${reason}`, count, ''] as const),
    ['skipped by a declared rule', skipped, skipped === 0 ? '' : 'analytics acknowledges what it cannot count'],
    ['lost', lost.length, ''],
    ['handled again', repeated.length, causes(repeated)],
    [`  by ${scaled}`, ofScaled, 'whose members came and went under load'],
    ['doubled', doubled.length, causes(doubled)],
    ['out of order', outOfOrder.length, 'first effects of each service, for each key'],
    ['misbooked articles', misbooked.length, ''],
    ['commits that went back', commitsBack.length, 'of any group, by Kafka’s own journal'],
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
    ...listed('Handled again, and nobody knows why', repeated.filter(isUnexplained).map(sentence)),
    ...listed('Doubled', doubled.map(sentence)),
    ...listed('Out of order', outOfOrder),
    ...listed('Misbooked', misbooked),
    ...listed('Commits', commitsBack),
  ]
}

/**
 * The line that `--json` ends with. The run has failed when one of `lost`, `outOfOrder`, `misbooked`, `commitsBack`, `unexplained` and
 * `problems` is not 0.
 *
 * @param problems - what went wrong outside the audit: answers of the API that should have been others, and what did not come to rest
 */
export function reportJson(findings: Findings, problems: readonly string[]): string {
  const { orders, outcomes, parked, lost, repeated, doubled, outOfOrder, misbooked, commitsBack } = findings
  return JSON.stringify({
    orders,
    outcomes,
    parked,
    lost: lost.length,
    repeated: repeated.length,
    doubled: doubled.length,
    unexplained: [...repeated, ...doubled].filter(isUnexplained).length,
    outOfOrder: outOfOrder.length,
    misbooked: misbooked.length,
    commitsBack: commitsBack.length,
    problems: problems.length,
  })
}

/** Does the run count as failed? At least once is what was promised: what a killed or stopped process explains may come twice. */
export function isBroken({ lost, repeated, doubled, outOfOrder, misbooked, commitsBack }: Findings): boolean {
  const faults = [
    lost,
    outOfOrder,
    misbooked,
    commitsBack,
    repeated.filter(isUnexplained),
    doubled.filter(isUnexplained),
  ]
  return faults.some((each) => each.length > 0)
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

const isUnexplained = ({ cause }: Repetition): boolean => cause === null

const EXPLANATIONS: Readonly<Record<NonNullable<Cause>, string>> = {
  killed: 'killed between its effect and its commit',
  stopped: 'under way when it was stopped; its successor had to do it too',
  'sent again': 'the event was sent again, and met another process',
}

function sentence({ service, what, cause }: Repetition): string {
  return `${service}: ${what} (${cause === null ? 'UNEXPLAINED' : EXPLANATIONS[cause]})`
}

function causes(repetitions: readonly Repetition[]): string {
  return [...groupBy(repetitions, ({ service, cause }) => `${service} ${cause}`).values()]
    .map((each) => {
      const { service, cause } = each[0]!
      return `${each.length} by ${service} (${cause === null ? 'UNEXPLAINED' : EXPLANATIONS[cause]})`
    })
    .join(', ')
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
