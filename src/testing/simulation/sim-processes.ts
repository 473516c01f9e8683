import type { Clock, Runtime, Timer } from '../../clock/index.ts'
import { abortableSleep } from '../abortable-sleep.ts'
import { seededIds } from '../seeded-ids.ts'
import { seededRandom } from '../seeded-random.ts'
import type { Scheduler } from './scheduler.ts'

/** A process of a simulated system: it has a clock and chance of its own, and can be stopped at any moment. */
export interface SimProcess {
  readonly name: string
  /** Give it to every client of this process. */
  readonly runtime: Runtime
  readonly state: 'running' | 'suspended' | 'killed'
  /** As SIGKILL: nothing of it happens any more; what it has asked for may still be done. */
  kill(): void
  /** As SIGSTOP: nothing of it happens until {@link SimProcess.resume}; the world goes on. */
  suspend(): void
  resume(): void
  /** Waits for so long of virtual time: what a database or another service takes. Never ends once the process is killed. */
  pause(ms: number): Promise<void>
}

/** What a process is made of. */
export interface SimProcessOptions {
  readonly name: string
  readonly seed: number
  readonly scheduler: Scheduler
  /** The wall clock when the simulation began, in milliseconds since the epoch. */
  readonly startAt: number
  /** How long a stop at a failpoint takes, in milliseconds; 0 is none. */
  readonly failpointMs: () => number
  /** Told whenever something of it is about to happen. @defaultValue nobody is */
  readonly onTurn?: (process: SimProcess) => void
}

/** Makes a running {@link SimProcess}. */
export function createSimProcess(options: SimProcessOptions): SimProcess {
  const { name, seed, scheduler, startAt, failpointMs, onTurn } = options
  const late: (() => void)[] = [] // what came due while it was suspended

  const arrive = (call: () => void): void => {
    if (own.state === 'running') {
      onTurn?.(own)
      call()
    } else if (own.state === 'suspended') late.push(() => arrive(call))
  }
  const after = (ms: number, call: () => void): Timer => {
    let cancelled = false
    const timer = scheduler.after(ms, () =>
      arrive(() => {
        if (!cancelled) call()
      }),
    )
    return {
      cancel() {
        cancelled = true
        timer.cancel()
      },
    }
  }
  const clock: Clock = {
    now: () => startAt + scheduler.now,
    monotonic: () => 1_000 + scheduler.now, // unlike the wall clock, so that mixing them up shows
    sleep: abortableSleep(after),
    turn: scheduler.turn,
    after,
    every(ms, call) {
      let timer: Timer
      const again = (): void => {
        timer = after(Math.max(1, ms), () => {
          again()
          call()
        })
      }
      again()
      return { cancel: () => timer.cancel() }
    },
  }
  const pause = (ms: number): Promise<void> => clock.sleep(ms)

  const own: { -readonly [K in keyof SimProcess]: SimProcess[K] } = {
    name,
    runtime: {
      clock,
      random: seededRandom(seed),
      ids: seededIds(clock, seed),
      failpoint() {
        const ms = failpointMs()
        return own.state !== 'running' || ms > 0 ? pause(ms) : undefined // a killed process goes no further
      },
    },
    state: 'running',
    kill() {
      own.state = 'killed'
      late.length = 0
    },
    suspend() {
      if (own.state === 'running') own.state = 'suspended'
    },
    resume() {
      if (own.state !== 'suspended') return
      own.state = 'running'
      for (const call of late.splice(0)) scheduler.after(0, () => arrive(call))
    },
    pause,
  }
  return own
}
