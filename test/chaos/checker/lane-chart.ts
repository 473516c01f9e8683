import type { HistoryEvent } from '../history/index.ts'

/** How a lane chart is drawn. */
export interface LaneChartOptions {
  /** Characters of a lane. @defaultValue 96 */
  readonly columns?: number
  /** Marked, in microseconds. */
  readonly firstViolationAt?: number | undefined
}

/**
 * Processes against time, one line each, incarnations of one process in the same: `=` works, `R` gains or loses a partition or a bucket, `X` was
 * killed, `.` is alive. Faults have lines of their own, `#` while they last; `!` is the first violation.
 */
export function laneChart(events: readonly HistoryEvent[], options: LaneChartOptions = {}): readonly string[] {
  const { columns = 96, firstViolationAt } = options
  if (events.length === 0) return []
  const from = events[0]!.t
  const width = Math.max(1, (events.at(-1)!.t - from + 1) / columns)
  const columnOf = (t: number): number => Math.min(columns - 1, Math.max(0, Math.floor((t - from) / width)))
  const lanes = [...faultLanes(events, columns, columnOf), ...processLanes(events, columns, columnOf)]
  if (firstViolationAt !== undefined) {
    const cells = emptyLane(columns)
    cells[columnOf(firstViolationAt)] = '!'
    lanes.push({ name: 'first violation', cells })
  }
  const margin = Math.max(...lanes.map(({ name }) => name.length))
  const seconds = ((events.at(-1)!.t - from) / 1e6).toFixed(1)
  return [
    ...lanes.map(({ name, cells }) => `${name.padEnd(margin)} |${cells.join('')}|`),
    `${''.padEnd(margin)}  0 s${`${seconds} s`.padStart(columns - 3)}`,
  ]
}

interface Lane {
  readonly name: string
  readonly cells: string[]
}

type ColumnOf = (t: number) => number

function faultLanes(events: readonly HistoryEvent[], columns: number, columnOf: ColumnOf): Lane[] {
  const lanes = new Map<string, Lane>()
  const since = new Map<string, number>()
  const last = columnOf(events.at(-1)!.t)
  for (const event of events) {
    if (event.f !== 'nemesis') continue
    const name = `${event.fault} ${event.target}`
    const lane = laneOf(lanes, name, columns)
    const column = columnOf(event.t)
    lane.cells[column] = '#'
    if (event.phase === 'start') since.set(name, column)
    else {
      lane.cells.fill('#', since.get(name) ?? column, column + 1)
      since.delete(name)
    }
  }
  for (const [name, column] of since) lanes.get(name)!.cells.fill('#', column, last + 1) // never healed
  return Array.from(lanes.values())
}

function processLanes(events: readonly HistoryEvent[], columns: number, columnOf: ColumnOf): Lane[] {
  const lanes = new Map<string, Lane>()
  for (const event of events) {
    if (event.f === 'nemesis') continue
    const proc = event.f === 'stop' ? (event.of ?? event.proc) : event.proc
    const { cells } = laneOf(lanes, proc.replace(/#.*/, ''), columns)
    const column = columnOf(event.t)
    const mark = markOf(event)
    if (RANKS.indexOf(mark) > RANKS.indexOf(cells[column]!)) cells[column] = mark
  }
  return Array.from(lanes.values()).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** What is shown when several things happen within one column. */
const RANKS = [' ', '.', '=', 'R', 'X']

function markOf(event: HistoryEvent): string {
  if (event.f === 'stop') return typeof event.signal === 'string' ? 'X' : '.'
  if (event.f === 'assign' || event.f === 'revoke' || event.f === 'lost' || event.f === 'bucket') return 'R'
  return event.f === 'resources' || event.f === 'health' || event.f === 'start' ? '.' : '='
}

function laneOf(lanes: Map<string, Lane>, name: string, columns: number): Lane {
  let lane = lanes.get(name)
  if (lane === undefined) lanes.set(name, (lane = { name, cells: emptyLane(columns) }))
  return lane
}

function emptyLane(columns: number): string[] {
  return Array.from({ length: columns }, () => ' ')
}
