import { slope } from '../../../bench/slope.ts'
import type { HistoryEvent } from '../history/index.ts'

/** What the processes of a scenario took of memory. */
export interface MemoryUse {
  /** The most that one of the workers had, in MB. */
  readonly workersMaxMb: number
  /** Of the worker that grew fastest once it was warm, in MB a minute; null when none ran for long enough to tell. */
  readonly steepestMbPerMinute: number | null
  /** What this process had at the end, in MB. */
  readonly runnerMb: number
}

/** Code is compiled and buffers find their size in the first third; a process that lived for less than this says nothing about the rest. */
const LEAST_MINUTES = 1

/** Reads {@link MemoryUse} out of a history; `runner` is the process that is no worker. */
export function memoryUse(events: readonly HistoryEvent[], runner: string): MemoryUse {
  const samples = new Map<string, { readonly x: number; readonly y: number }[]>()
  for (const event of events) {
    if (event.f !== 'resources' || event.phase !== undefined) continue
    const own = samples.get(event.proc) ?? []
    samples.set(event.proc, own)
    own.push({ x: event.t / 60e6, y: event.rssMb })
  }
  const workers = Array.from(samples).flatMap(([proc, own]) => (proc === runner ? [] : [own]))
  const slopes = workers
    .filter((own) => own.at(-1)!.x - own[0]!.x >= LEAST_MINUTES)
    .map((own) => slope(own.slice(Math.floor(own.length / 3))))
  return {
    workersMaxMb: workers.flat().reduce((most, { y }) => Math.max(most, y), 0),
    steepestMbPerMinute: slopes.length === 0 ? null : Math.round(Math.max(...slopes) * 10) / 10,
    runnerMb: samples.get(runner)?.at(-1)?.y ?? 0,
  }
}
