import { availableParallelism } from 'node:os'
import { resolve as absolute } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Violation } from '../../src/testing/simulation/index.ts'
import type { ScenarioName } from '../../test/simulation/index.ts'
import { scenarios } from '../../test/simulation/index.ts'
import type { FromWorker, Share } from './share.ts'

/** What is to be run. */
export interface Run extends Pick<Share, 'from' | 'count' | 'untilMs' | 'twice' | 'scenario'> {
  /** Ends at the first seed that breaks a promise. */
  readonly stopAtFirst?: boolean
  readonly workers?: number
  readonly onProgress?: (schedules: number) => void
}

/** A seed that breaks a promise. */
export interface Broken {
  readonly seed: number
  readonly scenario: ScenarioName
  readonly violations: readonly Violation[]
}

/** What came of a run. */
export interface RunResult {
  readonly schedules: number
  readonly steps: number
  readonly broken: readonly Broken[]
  readonly seconds: number
}

/** A schedule lives for some milliseconds: with room for many of them, next to nothing of it is ever moved. */
const YOUNG_MB = 128

/** What a thread keeps to, by turns; both take about as long. */
const OWN: readonly (readonly ScenarioName[])[] = [
  ['consuming', 'producing', 'at-most-once'],
  ['transacting', 'shop', 'guarded', 'outbox'],
]

/** Runs seeds in worker threads of a simulator that `bundleSimulator` made. */
export async function runSeeds(simulator: string, run: Run): Promise<RunResult> {
  const {
    from,
    count,
    untilMs,
    twice,
    scenario,
    stopAtFirst = false,
    workers = availableParallelism(),
    onProgress,
  } = run
  const began = performance.now()
  const broken: Broken[] = []
  let schedules = 0
  let steps = 0
  const threads: Worker[] = []
  const taken = new Int32Array(new SharedArrayBuffer(4 * Object.keys(scenarios).length))
  const ends = Array.from({ length: workers }, (_, i) => {
    const share: Share = { from, count, taken, own: OWN[i % OWN.length]!, untilMs, twice, scenario }
    const worker = new Worker(absolute(simulator), {
      workerData: share,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    })
    threads.push(worker)
    return new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'progress') onProgress?.((schedules += message.schedules))
        else if (message.kind === 'done') steps += message.steps
        else {
          const { seed, scenario: of, violations } = message
          broken.push({ seed, scenario: of, violations })
          if (stopAtFirst) for (const each of threads) void each.terminate()
        }
      })
      worker.on('error', reject)
      worker.on('exit', () => resolve())
    })
  })
  await Promise.all(ends)
  broken.sort((a, b) => a.seed - b.seed)
  return { schedules, steps, broken, seconds: (performance.now() - began) / 1_000 }
}
