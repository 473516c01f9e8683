import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { patched } from '../../scripts/simulation/patch.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { createScheduler } from '../../src/testing/simulation/scheduler.ts'
import { createSimProcess } from '../../src/testing/simulation/sim-processes.ts'
import type { SimProcess } from '../../src/testing/simulation/index.ts'
import { simulateSeed } from '../../src/testing/simulation/index.ts'
import type { ScenarioName } from '../simulation/index.ts'
import { isScenarioName, scenarioOf, scenarios, worldOf } from '../simulation/index.ts'
import { mutants } from '../simulation/mutants/index.ts'
import { pinnedSeeds } from '../simulation/pinned-seeds.ts'

const names = Object.keys(scenarios) as ScenarioName[]
const BOUND = { atMs: 10_000, steps: 10_000 }

function processOn(
  scheduler = createScheduler(seededRandom(1)),
): SimProcess & { readonly run: (ms: number) => Promise<unknown> } {
  const process = createSimProcess({ name: 'p', seed: 1, scheduler, startAt: 0, failpointMs: () => 0 })
  const run = (ms: number): Promise<unknown> =>
    scheduler.runUntil(() => false, { atMs: scheduler.now + ms, steps: 10_000 })
  return Object.assign(process, { run })
}

test('what is due at the same time comes in an order that only the seed decides', async () => {
  const orderOf = async (seed: number): Promise<string> => {
    const scheduler = createScheduler(seededRandom(seed))
    let said = ''
    for (const each of ['a', 'b', 'c', 'd']) scheduler.after(5, () => (said += each))
    scheduler.after(1, () => (said += '1'))
    await scheduler.runUntil(() => false, BOUND)
    return said
  }
  const orders = new Set(await Promise.all(Array.from({ length: 40 }, (_, seed) => orderOf(seed))))
  expect(orders.size).toBeGreaterThan(10)
  for (const order of orders) expect(order).toMatch(/^1[abcd]{4}$/)
  expect(await orderOf(7)).toBe(await orderOf(7))
})

test('a run ends when its condition holds, at its time, at its most steps, or when nothing is left', async () => {
  const scheduler = createScheduler(seededRandom(1))
  let beats = 0
  const beat = (): void => {
    beats++
    scheduler.after(10, beat)
  }
  scheduler.after(10, beat)
  expect(await scheduler.runUntil(() => beats === 3, BOUND)).toBe(true)
  expect([beats, scheduler.now]).toEqual([3, 30])
  expect(await scheduler.runUntil(() => false, { atMs: 65, steps: 1_000 })).toBe(false)
  expect([beats, scheduler.now]).toEqual([6, 65])
  expect(await scheduler.runUntil(() => false, { atMs: 1_000, steps: 2 })).toBe(false)
  expect(beats).toBe(8)
  expect(await createScheduler(seededRandom(1)).runUntil(() => false, BOUND)).toBe(false)
})

test('nothing of a killed process happens any more, and nothing of a suspended one before it is resumed', async () => {
  const process = processOn()
  const said: string[] = []
  process.runtime.clock.every(10, () => said.push('beat'))
  void process.pause(15).then(() => said.push('paused'))
  process.suspend()
  await process.run(100)
  expect(said).toEqual([])
  process.resume()
  await process.run(1)
  expect(said.toSorted()).toEqual(['beat', 'paused'])
  process.kill()
  process.runtime.clock.after(1, () => said.push('after its death'))
  await process.run(100)
  expect(said).toHaveLength(2)
})

test('a killed process does not pass a failpoint, so that a crash can be at any of them', async () => {
  const process = processOn()
  process.kill()
  let passed = false
  void Promise.resolve(process.runtime.failpoint('process:handled')).then(() => (passed = true))
  await process.run(1_000)
  expect(passed).toBe(false)
})

test('a sleep that is aborted ends at once with the reason', async () => {
  const process = processOn()
  const stop = new AbortController()
  const slept = process.runtime.clock.sleep(1_000, stop.signal).catch((error: unknown) => error)
  stop.abort('enough')
  expect(await slept).toBe('enough')
  await expect(process.runtime.clock.sleep(1, stop.signal)).rejects.toBe('enough')
})

test.each(names)('a schedule of %s is the same every time, step by step', async (name) => {
  const scenario = scenarios[name]
  for (const seed of [3, 11]) {
    const [once, again] = [
      await simulateSeed(scenario, seed, worldOf(name), true),
      await simulateSeed(scenario, seed, worldOf(name), true),
    ]
    expect(again).toEqual(once)
    expect(once.log.length).toBeGreaterThan(20)
  }
})

test.each([
  ['consuming', 30],
  ['producing', 40],
  ['transacting', 20],
  ['shop', 5],
  ['at-most-once', 20],
  ['guarded', 20],
  ['outbox', 8],
] as const)('%s keeps its promises under seeded faults', async (name, seeds) => {
  for (let seed = 0; seed < seeds; seed++) {
    const { violations } = await simulateSeed(scenarios[name], seed, worldOf(name))
    expect(violations, `npm run sim -- --scenario ${name} --seed ${seed} --trace`).toEqual([])
  }
})

test('schedules that have found a bug find it no more', async () => {
  for (const { scenario, seed, why } of pinnedSeeds) {
    const { violations } = await simulateSeed(scenarios[scenario], seed, worldOf(scenario))
    expect(violations, why).toEqual([])
  }
})

test('a seed names its scenario by itself, and every scenario has its turn', () => {
  expect(new Set(Array.from({ length: 12 }, (_, seed) => scenarioOf(seed)))).toEqual(new Set(names))
  expect(isScenarioName('toString')).toBe(false)
})

test('every mutant can be applied: what it takes out stands in the source once, and its name is its own', () => {
  for (const mutant of mutants) {
    const source = readFileSync(mutant.file, 'utf8')
    expect(patched(source, mutant), mutant.name).not.toBe(source)
    if (mutant.foundBy.kind === 'test') expect(existsSync(mutant.foundBy.file), mutant.name).toBe(true)
  }
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
})

test('a scenario that does not come to its end is a broken promise, with its seed', async () => {
  const stuck = await simulateSeed(() => ({ heal() {}, done: () => false, check() {} }), 5, {
    faultsUntilMs: 10,
    doneByMs: 20,
  })
  expect(stuck).toMatchObject({ seed: 5, violations: [{ kind: 'not-live' }] })
})
