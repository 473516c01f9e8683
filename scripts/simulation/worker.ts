// A thread of the simulator: runs its share of the seeds and tells of each that breaks a promise.
import { parentPort, workerData } from 'node:worker_threads'
import { simulateSeed } from '../../src/testing/simulation/index.ts'
import { scenarioOf, scenarios } from '../../test/simulation/index.ts'
import type { FromWorker, Share } from './share.ts'

const { from, count, taken, untilMs, twice, scenario: only } = workerData as Share
const tell = (message: FromWorker): void => parentPort!.postMessage(message)

// Traces of stacks take an eighth of the time; `--seed X` shows them.
Error.stackTraceLimit = 0

/** Few, so that at the end no thread has much left while others have nothing. */
const AT_ONCE = 4

const began = performance.now()
let own = { next: 0, end: 0 }
let schedules = 0
let steps = 0
for (let seed = next(); seed < from + count && performance.now() - began < untilMs; seed = next()) {
  const scenario = only ?? scenarioOf(seed)
  const result = await simulateSeed(scenarios[scenario], seed)
  const violations = [...result.violations]
  const add = (kind: string, detail: string): void => void violations.push({ kind, detail, atMs: 0 })
  if (twice && (await simulateSeed(scenarios[scenario], seed)).trace !== result.trace)
    add('not-the-same', 'twice with one seed')
  schedules++
  steps += result.steps
  if (violations.length > 0) tell({ kind: 'broken', seed, scenario, violations })
  if (schedules % 50 === 0) tell({ kind: 'progress', schedules: 50 })
}
tell({ kind: 'progress', schedules: schedules % 50 })
tell({ kind: 'done', steps })

function next(): number {
  if (own.next === own.end) {
    const first = from + Atomics.add(taken, 0, AT_ONCE)
    own = { next: first, end: first + AT_ONCE }
  }
  return own.next++
}
