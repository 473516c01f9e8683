import type { AuditPlace, AuditRange, AuditReport, FindingKind } from 'holdfast'
import { duration } from './duration.ts'
import type { Paint } from './paint.ts'
import { printable } from './printable.ts'
import { columns } from './table.ts'

const KINDS = ['missing', 'duplicate', 'reordered', 'extra', 'gap'] as const satisfies readonly FindingKind[]

const MEANING: Readonly<Record<FindingKind, string>> = {
  missing: 'not on the other side',
  duplicate: 'more than once on the other side',
  reordered: 'behind a later one of their key',
  extra: 'on the other side alone',
  gap: 'their predecessor is in no table',
}

/** What an audit has found, as people read it. */
export function auditReportText(report: AuditReport, paint: Paint): string {
  const { from, to, counts, clean } = report
  const found = KINDS.filter((kind) => counts[kind] > 0)
  const verdict = clean
    ? paint.good('nothing is missing, doubled or out of order')
    : found.map((kind) => paint.bad(`${number(counts[kind])} ${kind}`)).join(', ')
  return [
    `${paint.heading(`${printable(from)} -> ${printable(to)}`)}: ${windowText(report.window)}`,
    '',
    ...countLines(report),
    ...found.flatMap((kind) => ['', ...findingLines(kind, report, paint)]),
    '',
    verdict,
    '',
  ].join('\n')
}

/** For machines: as the report is, with offsets and row ids as text, since JSON's numbers are too small for them. */
export function auditReportJson(report: AuditReport): string {
  return `${JSON.stringify(report, forJson, 2)}\n`
}

function forJson(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (isBuffer(value)) return Buffer.from(value.data).toString()
  return value
}

/** What `Buffer` makes of itself for JSON. */
function isBuffer(value: unknown): value is { readonly data: number[] } {
  return Reflect.get(Object(value), 'type') === 'Buffer' && Array.isArray(Reflect.get(Object(value), 'data'))
}

function windowText({ since, until, graceMs }: AuditReport['window']): string {
  const when =
    since === null && until === null
      ? 'all of it'
      : [since && `from ${since.toISOString()}`, until && `until ${until.toISOString()}`].filter(Boolean).join(' ')
  return `${when}, grace ${duration(graceMs)}`
}

function countLines({ counts }: AuditReport): readonly string[] {
  const apart = [
    [counts.young, 'younger than the grace'],
    [counts.parked, 'parked'],
    [counts.discarded, 'discarded'],
    [counts.expired, 'gone from the topic with their age'],
    [counts.tombstones, 'tombstones without a mark'],
    [counts.repeated, 'more than once on the first side'],
    [counts.withoutId, 'without an id, left out'],
  ] as const
  return columns([
    [`  ${number(counts.judged)}`, 'messages'],
    [`  ${number(counts.matched)}`, 'on the other side'],
    ...apart.filter(([count]) => count > 0).map(([count, what]) => [`  ${number(count)}`, what]),
  ])
}

function findingLines(kind: FindingKind, { counts, findings, ranges }: AuditReport, paint: Paint): readonly string[] {
  const lines = columns(findings[kind].map((range) => [String(range.count), ...rangeCells(range)]))
  const more = ranges[kind] - findings[kind].length
  return [
    `${paint.bad(kind)}: ${number(counts[kind])} ${MEANING[kind]}`,
    ...lines.map((line) => `  ${line}`),
    ...(more > 0 ? [paint.faint(`  and ${number(more)} later ${more === 1 ? 'range' : 'ranges'}: --show`)] : []),
  ]
}

function rangeCells(range: AuditRange): readonly string[] {
  const { kind, count, first, last, behind, keyHash, key } = range
  const isOne = count === 1
  const where = isOne ? placeText(first) : `${placeText(first)} to ${placeText(last)}`
  const when = isOne ? first.at.toISOString() : `${first.at.toISOString()} to ${last.at.toISOString()}`
  const of = key === undefined ? keyHash : printable(Buffer.from(key).toString())
  return [
    where,
    behind === undefined ? '' : `${kind === 'gap' ? 'after' : 'behind'} ${placeText(behind)}`,
    of === null ? '' : `key ${of}`,
    when,
  ].filter((cell) => cell !== '')
}

function placeText({ rowId, partition, offset }: Omit<AuditPlace, 'at'>): string {
  const row = rowId === undefined ? [] : [`row ${rowId}`]
  const record = partition === undefined ? [] : [`${partition}@${offset}`]
  return [...row, ...record].join(' ')
}

function number(count: number): string {
  return count.toLocaleString('en-US')
}
