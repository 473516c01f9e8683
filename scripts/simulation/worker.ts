// A thread of the simulator: runs its share of the seeds and tells of each that breaks a promise.
import { parentPort, workerData } from 'node:worker_threads'
import { simulateSeed } from '../../src/testing/simulation/index.ts'
import { scenarios, worldOf } from '../../test/simulation/index.ts'
import type { FromWorker, Share } from './share.ts'
import { takeSeeds } from './take-seeds.ts'

const share = workerData as Share
const { untilMs, twice } = share
const tell = (message: FromWorker): void => parentPort!.postMessage(message)

// Traces of stacks take an eighth of the time; `--seed X` shows them.
Error.stackTraceLimit = 0

const began = performance.now()
let schedules = 0
let steps = 0
for (const { seed, scenario } of takeSeeds(share)) {
  if (performance.now() - began >= untilMs) break
  const result = await simulateSeed(scenarios[scenario], seed, worldOf(scenario))
  const violations = [...result.violations]
  const add = (kind: string, detail: string): void => void violations.push({ kind, detail, atMs: 0 })
  if (twice && (await simulateSeed(scenarios[scenario], seed, worldOf(scenario))).trace !== result.trace)
    add('not-the-same', 'twice with one seed')
  schedules++
  steps += result.steps
  if (violations.length > 0) tell({ kind: 'broken', seed, scenario, violations })
  if (schedules % 50 === 0) tell({ kind: 'progress', schedules: 50 })
}
tell({ kind: 'progress', schedules: schedules % 50 })
tell({ kind: 'done', steps })
