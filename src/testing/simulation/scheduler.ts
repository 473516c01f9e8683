import type { Timer } from '../../clock/index.ts'
import { createTurns } from '../../clock/index.ts'

/** What is to happen in a simulation, in an order that follows from its seed alone. */
export interface Scheduler {
  /** Virtual milliseconds since the simulation began. */
  readonly now: number
  /** How much has happened. */
  readonly steps: number
  /** Tells two runs apart: the same after the same happened in the same order. */
  readonly trace: number
  /** Calls once, `ms` from now, at the earliest: of all that is due, chance says what comes first. */
  after(ms: number, call: () => void): Timer
  /** Resolves when every promise job that is ready, and every job those make ready, has run. */
  readonly turn: () => Promise<void>
  /** Lets things happen until the condition holds, time is up or nothing is left; says whether it holds. */
  runUntil(condition: () => boolean, bound: { readonly atMs: number; readonly steps: number }): Promise<boolean>
}

interface Due {
  readonly at: number
  readonly order: number
  readonly call: () => void
}

/** Makes a {@link Scheduler}. @param random - from 0 (included) to 1 (excluded); it decides every order. */
export function createScheduler(random: () => number): Scheduler {
  const waiting: Due[] = []
  const turn = createTurns()
  let order = 0

  /** One of those that are due next, by chance. */
  const takeNext = (): Due => {
    let at = Infinity
    for (const each of waiting) if (each.at < at) at = each.at
    const due = Math.max(scheduler.now, at)
    let count = 0
    for (const each of waiting) if (each.at <= due) count++
    let chosen = Math.floor(random() * count)
    const i = waiting.findIndex((each) => each.at <= due && chosen-- === 0)
    return waiting.splice(i, 1)[0]!
  }

  const scheduler: { -readonly [K in keyof Scheduler]: Scheduler[K] } = {
    now: 0,
    steps: 0,
    trace: 0,
    after(ms, call) {
      const due: Due = { at: scheduler.now + Math.max(0, ms), order: order++, call }
      waiting.push(due)
      return {
        cancel() {
          const i = waiting.indexOf(due)
          if (i !== -1) waiting.splice(i, 1)
        },
      }
    },
    turn,
    async runUntil(condition, bound) {
      const lastStep = scheduler.steps + bound.steps
      for (await turn(); !condition();) {
        if (waiting.length === 0 || scheduler.steps >= lastStep) return false
        const next = takeNext()
        if (next.at > bound.atMs) {
          waiting.push(next)
          scheduler.now = Math.max(scheduler.now, bound.atMs)
          return condition()
        }
        scheduler.steps++
        scheduler.now = Math.max(scheduler.now, next.at)
        scheduler.trace = (Math.imul(scheduler.trace, 31) + next.order + Math.round(scheduler.now * 7)) | 0
        next.call()
        await turn()
      }
      return true
    },
  }
  return scheduler
}
