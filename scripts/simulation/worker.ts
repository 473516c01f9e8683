// A thread of the simulator: runs its share of the seeds and tells of each that breaks a promise.
import { parentPort, workerData } from 'node:worker_threads'
import { simulateSeed } from '../../src/testing/simulation/index.ts'
import { scenarioOf, scenarios } from '../../test/simulation/index.ts'
import type { FromWorker, Share } from './share.ts'

const { from, count, stride, untilMs, twice, scenario: only } = workerData as Share
const tell = (message: FromWorker): void => parentPort!.postMessage(message)

// What a killed process leaves pending rejects nowhere; anything else that nobody hears of would end a service.
let unheard: unknown
process.on('unhandledRejection', (error) => (unheard = error))

const began = performance.now()
let schedules = 0
let steps = 0
for (let i = 0; i < count && performance.now() - began < untilMs; i += stride) {
  const seed = from + i
  const scenario = only ?? scenarioOf(seed)
  unheard = undefined
  const result = await simulateSeed(scenarios[scenario], seed)
  const violations = [...result.violations]
  const add = (kind: string, detail: string): void => void violations.push({ kind, detail, atMs: 0 })
  if (unheard !== undefined)
    add('unhandled-rejection', unheard instanceof Error ? (unheard.stack ?? '') : typeof unheard)
  if (twice && (await simulateSeed(scenarios[scenario], seed)).trace !== result.trace)
    add('not-the-same', 'twice with one seed')
  schedules++
  steps += result.steps
  if (violations.length > 0) tell({ kind: 'broken', seed, scenario, violations })
  if (schedules % 50 === 0) tell({ kind: 'progress', schedules: 50 })
}
tell({ kind: 'progress', schedules: schedules % 50 })
tell({ kind: 'done', steps })
