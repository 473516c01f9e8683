import type { FindingKind } from '../../src/audit/index.ts'
import type { Told } from './world.ts'

/** What the naive audit is told. */
export interface NaiveRules {
  readonly sinceMs: number
  readonly untilMs: number
  readonly asOfMs: number
  readonly graceMs: number
  readonly extra: boolean
  readonly begins: ReadonlyMap<number, number>
}

/** An audit as anybody would write it for a page of rows, everything in memory: what the real one is held against. Of rows against records. */
export function naiveAudit(
  from: readonly Told[],
  to: readonly Told[],
  rules: NaiveRules,
): Readonly<Record<FindingKind, readonly string[]>> {
  const inWindow = ({ atMs = 0 }: Told): boolean => atMs >= rules.sinceMs && atMs < rules.untilMs
  const same = (a: Told, b: Told): boolean => a.id === b.id && (a.key ?? null) === (b.key ?? null)
  const byPlace = (a: Told, b: Told): number => (a.line ?? 0) - (b.line ?? 0) || a.order - b.order
  const rows = [...from].sort(byPlace)
  const records = [...to].sort(byPlace)
  const firstCopy = (row: Told): Told | undefined => records.find((record) => same(row, record))

  const isMissing = (row: Told): boolean => {
    if (firstCopy(row) !== undefined || row.state === 'parked' || row.state === 'discarded') return false
    const at = row.acknowledged
    if (at !== undefined && at.offset < (rules.begins.get(at.partition) ?? 0)) return false
    return row.state === 'sent' || (row.atMs ?? 0) <= rules.asOfMs - rules.graceMs
  }
  const keyOf = (told: Told): string => (told.key === undefined || told.key === null ? 'no key' : `key ${told.key}`)
  const messages = rows.filter((row) => rows.find((other) => same(other, row)) === row) // two rows of one id are one message
  const missing = groups(messages.filter(inWindow), keyOf)
    .flatMap((ofKey) => runs(ofKey, isMissing))
    .map(rowRange)

  const isDuplicate = (record: Told, i: number): boolean => {
    const copies = records.slice(0, i).filter((other) => same(other, record)).length
    const wanted = Math.max(1, rows.filter((row) => same(row, record)).length)
    return copies >= wanted && inWindow(record)
  }
  const isExtra = (record: Told, i: number): boolean =>
    rules.extra &&
    inWindow(record) &&
    (record.atMs ?? 0) < rules.asOfMs - rules.graceMs &&
    !rows.some((row) => same(row, record)) &&
    !records.slice(0, i).some((other) => same(other, record)) &&
    record.state !== 'foreign'
  const perPartition = (is: (record: Told, i: number) => boolean): readonly string[] =>
    groups(records, ({ line = 0 }) => String(line))
      .flatMap((ofPartition) => runs(ofPartition, (record) => is(record, records.indexOf(record))))
      .map(recordRange)

  const reordered = groups(
    records.filter((record) => {
      const row = rows.find((each) => same(each, record))
      return row !== undefined && typeof record.key === 'string' && firstCopy(row) === record
    }),
    (record) => `${record.line ?? 0} ${keyOf(record)}`,
  ).flatMap((ofKey) => {
    const found: { readonly range: Told[]; readonly behind: number }[] = []
    let latest = -1
    let open: Told[] | null = null
    for (const record of ofKey) {
      const row = rows.find((each) => same(each, record))!
      if (row.order > latest) {
        latest = row.order
        open = null
      } else if (!inWindow(row)) open = null
      else if (open === null) found.push({ range: (open = [record]), behind: latest })
      else open.push(record)
    }
    return found.map(({ range, behind }) => {
      const place = (record: Told): string =>
        `#${rows.find((each) => same(each, record))!.order} ${record.line ?? 0}@${record.order}`
      return `${range.length}: ${place(range[0]!)} to ${place(range.at(-1)!)} behind #${behind}`
    })
  })

  const there = new Set(rows.map(({ order }) => order))
  const gap = rows
    .filter((row) => inWindow(row) && typeof row.previous === 'number' && !there.has(row.previous))
    .map((row) => `1: #${row.order} to #${row.order} behind #${row.previous}`)
  return { missing, duplicate: perPartition(isDuplicate), reordered, extra: perPartition(isExtra), gap }
}

function groups<T>(all: readonly T[], nameOf: (each: T) => string): readonly (readonly T[])[] {
  const named = new Map<string, T[]>()
  for (const each of all) named.set(nameOf(each), [...(named.get(nameOf(each)) ?? []), each])
  return [...named.values()]
}

/** Neighbours of which it holds, as ranges. */
function runs<T>(all: readonly T[], is: (each: T) => boolean): readonly (readonly T[])[] {
  const found: T[][] = []
  let open: T[] | null = null
  for (const each of all) {
    if (!is(each)) open = null
    else if (open === null) found.push((open = [each]))
    else open.push(each)
  }
  return found
}

function rowRange(range: readonly Told[]): string {
  const place = ({ order, acknowledged: at }: Told): string =>
    `#${order}${at === undefined ? '' : ` ${at.partition}@${at.offset}`}`
  return `${range.length}: ${place(range[0]!)} to ${place(range.at(-1)!)}`
}

function recordRange(range: readonly Told[]): string {
  const place = ({ line = 0, order }: Told): string => `${line}@${order}`
  return `${range.length}: ${place(range[0]!)} to ${place(range.at(-1)!)}`
}
