import type { HistoryEvent, Role } from '../history/index.ts'

/** One incarnation of a process, from its first event to its end. */
export interface ProcessStory {
  readonly proc: string
  role: Role | undefined
  readonly firstAt: number
  lastAt: number
  /** When it ended, by its own word or the machine's. */
  stoppedAt: number | undefined
  exitCode: number | null
  signal: string | null
  unhandled: string | undefined
}

/** Follows every process that wrote events, or that the machine wrote about. */
export function followProcesses(events: readonly HistoryEvent[]): ReadonlyMap<string, ProcessStory> {
  const processes = new Map<string, ProcessStory>()
  const storyOf = (proc: string, at: number): ProcessStory => {
    let story = processes.get(proc)
    if (story === undefined) {
      story = {
        proc,
        role: undefined,
        firstAt: at,
        lastAt: at,
        stoppedAt: undefined,
        exitCode: null,
        signal: null,
        unhandled: undefined,
      }
      processes.set(proc, story)
    }
    return story
  }
  for (const event of events) {
    storyOf(event.proc, event.t).lastAt = event.t
    if (event.f !== 'start' && event.f !== 'stop') continue
    const story = storyOf(event.of ?? event.proc, event.t)
    story.role = event.role
    if (event.f === 'start') continue
    story.stoppedAt = event.t
    story.exitCode = event.exitCode ?? story.exitCode
    story.signal = event.signal ?? story.signal
    story.unhandled = event.unhandled ?? story.unhandled
  }
  return processes
}

/** Did it end without a chance to say so? */
export function wasKilled(story: ProcessStory | undefined): boolean {
  return story !== undefined && story.signal !== null
}
