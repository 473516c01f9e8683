import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { EVENT_FIELDS, type FieldKind } from './event-fields.ts'
import type { EventBody, HistoryEvent } from './history-event.ts'

/**
 * Reads every `*.jsonl` of a folder, in the order of time, then process, then counter. A last line without its end was torn by a kill and
 * is dropped; any other line that is not an event is an error, since a history with holes proves nothing.
 *
 * @throws Error naming file and line.
 */
export function readHistory(folder: string): HistoryEvent[] {
  const events: HistoryEvent[] = []
  const known = new Map<string, string>()
  const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
  for (const file of files.toSorted()) readJournal(join(folder, file), file, events, known)
  return events.toSorted(inTime)
}

/** The order of a history. */
export function inTime(a: HistoryEvent, b: HistoryEvent): number {
  if (a.t !== b.t) return a.t - b.t
  if (a.proc !== b.proc) return a.proc < b.proc ? -1 : 1
  return a.i - b.i
}

/** Line by line out of bytes: the text of a whole file can be longer than a string may be. */
function readJournal(path: string, file: string, events: HistoryEvent[], known: Map<string, string>): void {
  const bytes = readFileSync(path)
  let line = 0
  let expected = 0
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(NEWLINE, from)
    const isTorn = end === -1
    const text = bytes.toString('utf8', from, isTorn ? bytes.length : end)
    from = isTorn ? bytes.length : end + 1
    line += 1
    const parsed = parse(text)
    if (parsed === undefined) {
      if (isTorn) return
      throw new Error(`${file}:${line} is not JSON`)
    }
    const problem = understand(parsed, known)
    if (problem !== undefined) throw new Error(`${file}:${line} is not an event: ${problem}`)
    const event = parsed as unknown as HistoryEvent
    if (event.i !== expected) throw new Error(`${file}:${line} is event ${event.i}, and ${expected} was to come`)
    expected += 1
    events.push(event)
  }
}

const NEWLINE = 10

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return undefined
  }
}

/** Checks the fields and turns offsets into numbers, in place. Says what does not fit. */
function understand(line: Record<string, unknown>, known: Map<string, string>): string | undefined {
  if (!Number.isSafeInteger(line['i']) || !Number.isSafeInteger(line['t'])) return 'i and t are whole numbers'
  if (typeof line['proc'] !== 'string') return 'proc is missing'
  line['proc'] = shared(line['proc'], known)
  const fields = FIELDS.get(String(line['f']))
  if (fields === undefined) return `f is ${JSON.stringify(line['f'])}`
  for (const [name, { kind, optional }] of fields) {
    const value = line[name]
    if (value === undefined && optional) continue
    const read = READERS[kind](value)
    if (read === undefined) return `${name} is not ${kind}`
    line[name] = typeof read === 'string' && name !== 'value' ? shared(read, known) : read
  }
  return undefined
}

const FIELDS = new Map(
  (Object.keys(EVENT_FIELDS) as EventBody['f'][]).map((f) => [f as string, Object.entries(EVENT_FIELDS[f])]),
)

/** One copy of a name that a million lines repeat. */
function shared(name: string, known: Map<string, string>): string {
  const first = known.get(name)
  if (first !== undefined) return first
  known.set(name, name)
  return name
}

const READERS: { readonly [K in FieldKind]: (value: unknown) => unknown } = {
  text: (value) => (typeof value === 'string' ? value : undefined),
  'text or null': (value) => (typeof value === 'string' || value === null ? value : undefined),
  number: (value) => (typeof value === 'number' ? value : undefined),
  'number or null': (value) => (typeof value === 'number' || value === null ? value : undefined),
  boolean: (value) => (typeof value === 'boolean' ? value : undefined),
  offset: offsetOf,
  texts: (value) => (Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined),
  ranges: (value) => (Array.isArray(value) ? rangesOf(value) : undefined),
}

function offsetOf(value: unknown): bigint | undefined {
  return typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : undefined
}

function rangesOf(pairs: readonly unknown[]): unknown {
  const ranges = pairs.map((pair) => (Array.isArray(pair) && pair.length === 2 ? pair.map(offsetOf) : [undefined]))
  return ranges.some((range) => range.includes(undefined)) ? undefined : ranges
}
