import type { Cause, Findings, Repetition } from './audit.ts'
import { groupBy } from './group-by.ts'

/** The audit as a table, with the findings themselves below it. @param scaled - the service that had members come and go */
export function reportTable(findings: Findings, scaled: string): readonly string[] {
  const { outcomes, parked, skipped, lost, missed, repeated, doubled, parkedTwice, outOfOrder } = findings
  const { misbooked, unmarked, untold, commitsBack, outbox, repeatedEvents, recounted } = findings
  const ofScaled = repeated.filter(({ service }) => service === scaled).length
  const rows: ReadonlyArray<readonly [what: string, count: number, remark: string]> = [
    ['orders accepted', findings.orders, ''],
    ...Object.entries(outcomes).map(([outcome, count]) => [`  ${outcome}`, count, ''] as const),
    ['given up', findings.givenUp, `by customers who had no answer; stored all the same: ${findings.givenUpStored}`],
    ['parked', sum(parked), 'dead letters; one for each group that met the record'],
    ...Object.entries(parked).map(([reason, count]) => [`  ${reason}`, count, ''] as const),
    ['parked twice', parkedTwice.length, causes(parkedTwice)],
    ['skipped by a declared rule', skipped, skipped === 0 ? '' : 'analytics acknowledges what it cannot count'],
    ['lost', lost.length, ''],
    ['missed at most once', missed.length, causes(missed, MISSED)],
    ['handled again', repeated.length, causes(repeated)],
    [`  by ${scaled}`, ofScaled, 'whose members came and went under load'],
    ['doubled', doubled.length, 'effects of each service; charges at the gateway, mails at the mail server'],
    ['out of order', outOfOrder.length, 'first effects of each service, for each key'],
    ['misbooked', misbooked.length, 'articles, charges and mails, by both sides’ books'],
    ['effects that differ from marks', unmarked.length, 'of the services with an inbox'],
    ['events that differ from rows', untold.length, 'of inventory and payment'],
    ['commits that went back', commitsBack.length, 'of any group, by Kafka’s own journal'],
    ['rows of the outbox sent', outbox.sent, 'by the order API and inventory, each event with what it tells of'],
    [
      '  sent again',
      outbox.sentAgain,
      outbox.sentAgain === 0
        ? ''
        : 'with their old ids: without a mark when their relay died, or without an answer in time',
    ],
    ['  missing', outbox.missing.length, 'answer 202 → row → record → inbox row'],
    ['  reordered', outbox.reordered.length, 'first copies, by the rows of each key'],
    ['  of no row', outbox.unfounded.length, 'records and orders of which no committed row tells'],
    [
      'events sent again',
      repeatedEvents,
      repeatedEvents === 0
        ? ''
        : `with their old ids, recognised by their readers; counted again by analytics: ${recounted}`,
    ],
  ]
  const width = Math.max(...rows.map(([what]) => what.length))
  return [
    ...rows.map(([what, count, remark]) => `${what.padEnd(width)}  ${String(count).padStart(6)}  ${remark}`.trimEnd()),
    ...listed('Lost', lost),
    ...listed(
      'Missed, and nobody knows why',
      missed.filter(isUnexplained).map((each) => sentence(each, MISSED)),
    ),
    ...listed(
      'Handled again, and nobody knows why',
      repeated.filter(isUnexplained).map((each) => sentence(each)),
    ),
    ...listed(
      'Parked twice, and nobody knows why',
      parkedTwice.filter(isUnexplained).map((each) => sentence(each)),
    ),
    ...listed(
      'Doubled',
      doubled.map((each) => sentence(each)),
    ),
    ...listed('Out of order', outOfOrder),
    ...listed('Misbooked', misbooked),
    ...listed('Effects and marks', unmarked),
    ...listed('Events and rows', untold),
    ...listed('Commits', commitsBack),
    ...listed('Missing', outbox.missing),
    ...listed('Reordered', outbox.reordered),
    ...listed('Of no row', outbox.unfounded),
  ]
}

/**
 * The line that `--json` ends with. The run has failed when one of `lost`, `doubled`, `unexplained`, `outOfOrder`, `misbooked`, `unmarked`,
 * `untold`, `commitsBack`, `problems`, and `missing`, `reordered` and `unfounded` of `outbox` is not 0.
 *
 * @param problems - what went wrong outside the audit: answers of the API that should have been others, what did not come to rest, and what `holdfast audit` says
 */
export function reportJson(findings: Findings, problems: readonly string[]): string {
  const { orders, outcomes, parked, lost, missed, repeated, doubled, parkedTwice, outOfOrder } = findings
  const { misbooked, unmarked, untold, commitsBack, outbox } = findings
  return JSON.stringify({
    orders,
    outcomes,
    parked,
    lost: lost.length,
    missed: missed.length,
    repeated: repeated.length,
    doubled: doubled.length,
    parkedTwice: parkedTwice.length,
    unexplained: [...missed, ...repeated, ...parkedTwice].filter(isUnexplained).length,
    outOfOrder: outOfOrder.length,
    misbooked: misbooked.length,
    unmarked: unmarked.length,
    untold: untold.length,
    commitsBack: commitsBack.length,
    outbox: {
      sent: outbox.sent,
      sentAgain: outbox.sentAgain,
      missing: outbox.missing.length,
      reordered: outbox.reordered.length,
      unfounded: outbox.unfounded.length,
    },
    problems: problems.length,
  })
}

/**
 * Does the run count as failed? A killed or stopped process explains that a record was handled again or parked twice, or missed by who handles
 * at most once, and never that something was done twice.
 */
export function isBroken(findings: Findings): boolean {
  const { lost, missed, repeated, doubled, parkedTwice } = findings
  const { outOfOrder, misbooked, unmarked, untold, commitsBack, outbox } = findings
  const faults = [
    lost,
    doubled,
    outOfOrder,
    misbooked,
    unmarked,
    untold,
    commitsBack,
    outbox.missing,
    outbox.reordered,
    outbox.unfounded,
    missed.filter(isUnexplained),
    repeated.filter(isUnexplained),
    parkedTwice.filter(isUnexplained),
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

const isUnexplained = ({ cause }: Pick<Repetition, 'cause'>): boolean => cause === null

type Words = Readonly<Record<NonNullable<Cause>, string>>

const AGAIN: Words = {
  killed: 'killed between its effect and its commit',
  stopped: 'under way when it was stopped; its successor had to do it too',
  'sent again': 'the event was sent again, and met another process',
}
const MISSED: Words = {
  killed: 'claimed, and not done when it was killed',
  stopped: 'claimed, and not done when it was stopped',
  'sent again': '',
}

function sentence({ service, what, cause }: Repetition, words: Words = AGAIN): string {
  return `${service}: ${what} (${cause === null ? 'UNEXPLAINED' : words[cause]})`
}

function causes(repetitions: readonly Repetition[], words: Words = AGAIN): string {
  return [...groupBy(repetitions, ({ service, cause }) => `${service} ${cause}`).values()]
    .map((each) => {
      const { service, cause } = each[0]!
      return `${each.length} by ${service} (${cause === null ? 'UNEXPLAINED' : words[cause]})`
    })
    .join(', ')
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
