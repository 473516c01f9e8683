import { expect, test } from 'vitest'
import { LRUCache } from 'lru-cache'
import pRetry from 'p-retry'
import type { Scenario } from '../../../src/testing/simulation/index.ts'
import { simulate, simulateSeed, SimulationError } from '../../../src/testing/simulation/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'

/** Three things happen at moments that the seed decides; `seen` has each run's in order. */
const threeThings =
  (seen: string[] = [], check: (order: string) => void = () => {}): Scenario =>
  ({ during, note }) => {
    let order = ''
    for (const each of ['a', 'b', 'c']) {
      during(1, () => {
        order += each
        note(each)
      })
    }
    return {
      done: () => order.length === 3,
      check() {
        seen.push(order)
        check(order)
      },
    }
  }

/** A scenario that ends as soon as its work does. */
const working =
  (work: () => Promise<unknown>): Scenario =>
  ({ at }) => {
    let done = false
    at(0, () => void work().finally(() => (done = true)))
    return { done: () => done }
  }

test('so many seeds are so many schedules, and the report says how much was run', async () => {
  const seen: string[] = []
  const { seeds, steps, schedulesPerMinute, log } = await simulate(threeThings(seen), { seeds: 40 })
  expect({ seeds, steps, log }).toEqual({ seeds: 40, steps: 120, log: [] })
  expect(schedulesPerMinute).toBeGreaterThan(0)
  expect(new Set(seen).size).toBe(6) // every order of three
})

test('from, a list and a single seed are the same schedules as in a row', async () => {
  const [row, later, list, one]: string[][] = [[], [], [], []]
  await simulate(threeThings(row), { seeds: 10 })
  await simulate(threeThings(later), { from: 6, seeds: 4 })
  await simulate(threeThings(list), { seeds: [9, 2] })
  await simulate(threeThings(one), { seed: 5 })
  expect(later).toEqual(row!.slice(6))
  expect(list).toEqual([row![9], row![2]])
  expect(one).toEqual([row![5]])
})

test('it ends at the first seed that breaks a promise, and the error says which, what, and how to see it again', async () => {
  const scenario = threeThings([], (order) => {
    if (order === 'cba') throw new Error('backwards')
  })
  const error = await failureOf(simulate(scenario, { seeds: 100, bounds: { faultsUntilMs: 1_000 } }))
  expect(error).toBeInstanceOf(SimulationError)
  expect(error.code).toBe('HOLDFAST_SIMULATION_FAILED')
  const { seed, violations, message } = error as SimulationError
  expect(violations).toMatchObject([{ kind: 'thrown' }])
  expect(message).toContain(`seed ${seed} has a broken promise, after ${seed} seeds without one`)
  expect(message).toContain(`simulate(scenario, { seed: ${seed}, trace: true, bounds: { faultsUntilMs: 1000 } })`)
  expect(message).toContain('backwards')

  const replayed = await failureOf(simulate(scenario, { seed, trace: true, bounds: { faultsUntilMs: 1_000 } }))
  const notes = (replayed as SimulationError).log.map((line) => line.split(' ')[1])
  expect(notes).toEqual(['c', 'b', 'a', 'healed', 'VIOLATION'])
  expect(replayed.message).toContain((replayed as SimulationError).log[0])
})

test('what a scenario throws at any moment is a broken promise of its seed, since only some seeds get there', async () => {
  const kinds = async (scenario: Scenario): Promise<string[]> =>
    (await simulateSeed(scenario, 1)).violations.map(({ kind }) => kind)
  const fail = (): never => {
    throw new Error('assertion')
  }
  expect(await kinds(fail)).toEqual(['thrown'])
  expect(await kinds(({ at }) => (at(1, fail), { done: () => true }))).toEqual(['thrown'])
  expect(await kinds(() => ({ done: fail }))).toEqual(['thrown'])
  expect(await kinds(() => ({ done: () => true, check: fail }))).toEqual(['thrown'])
})

test('a promise that rejects while nobody listens is a broken promise, since it would end a service', async () => {
  const heard = process.listeners('unhandledRejection')
  const { violations } = await simulateSeed(({ at }) => {
    at(1, () => void Promise.reject(new Error('nobody listens')))
    return { done: () => true }
  }, 1)
  expect(violations).toMatchObject([{ kind: 'unhandled-rejection', detail: expect.stringContaining('nobody listens') }])
  expect(process.listeners('unhandledRejection')).toEqual(heard)
})

test('with twice, a scenario that reads what the seed does not decide is found', async () => {
  await simulate(threeThings(), { seeds: 5, twice: true })
  let runs = 0
  const forgetful: Scenario = ({ at, note }) => {
    at(1, () => note(`run ${++runs}`))
    return { done: () => true }
  }
  const error = await failureOf(simulate(forgetful, { seeds: 5, twice: true }))
  expect((error as SimulationError).violations).toMatchObject([
    { kind: 'not-the-same', detail: expect.stringContaining('1 run 1 / 1 run 2') },
  ])
})

test('its signal and its time end it between two seeds', async () => {
  const stop = new AbortController()
  const progress: number[] = []
  const onProgress = ({ done }: { done: number }): void => {
    progress.push(done)
    if (done === 3) stop.abort('enough')
  }
  const error = await failureOf(simulate(threeThings(), { seeds: 10, signal: stop.signal, onProgress }))
  expect([error.code, error.cause, progress]).toEqual(['HOLDFAST_ABORTED', 'enough', [1, 2, 3]])
  expect((await simulate(threeThings(), { seeds: 1_000_000, forMs: 1 })).seeds).toBeLessThan(1_000)
})

test('options that do not fit are refused, all at once', async () => {
  const options = { seeds: 0, seed: 1.5, from: -1, bounds: { doneByMs: 0 }, tracing: true }
  const error = await failureOf(simulate(null as never, options as never))
  expect(error.code).toBe('HOLDFAST_CONFIG_INVALID')
  expect(error.problems.map(({ path }) => path).toSorted()).toEqual(
    ['bounds.doneByMs', 'from', 'options', 'scenario', 'seed', 'seeds'].toSorted(),
  )
  const together = await failureOf(simulate(threeThings(), { seeds: [1], seed: 1, from: 2 }))
  expect(together.problems.map(({ path }) => path)).toEqual(['seeds', 'from'])
})

test('p-retry and lru-cache live in the time of the simulation, whatever the real clock does', async () => {
  const scenario: Scenario = (simulation) => {
    const { note } = simulation
    const cache = new LRUCache<string, string>({ max: 10, ttl: 60_000 })
    return working(async () => {
      let calls = 0
      const call = (): void => {
        note(`call ${++calls} at ${new Date().toISOString()}, ${Date.now() - simulation.now}`)
        throw new Error('down')
      }
      await pRetry(call, { retries: 9, minTimeout: 1_000, maxRetryTime: 20_000, randomize: true }).catch(() => {})
      for (let i = 0; i < 4; i++) {
        note(cache.get('k') ?? 'fetched')
        if (!cache.has('k')) cache.set('k', 'cached')
        await new Promise((resolve) => setTimeout(resolve, 25_000))
      }
    })(simulation)
  }
  const once = await simulateSeed(scenario, 7, {}, true)
  expect(once.violations).toEqual([])
  expect(once.log.filter((line) => line.includes('call')).length).toBeGreaterThan(2)
  expect(once.log.flatMap((line) => /fetched|cached/.exec(line) ?? [])).toEqual([
    'fetched',
    'cached',
    'cached',
    'fetched',
  ])
  const real = { now: Date.now, monotonic: performance.now.bind(performance), random: Math.random }
  let readings = 0
  Date.now = () => real.now() + 86_400_000 * readings++
  performance.now = () => real.monotonic() + 86_400_000 * readings++
  Math.random = () => 0
  try {
    expect(await simulateSeed(scenario, 7, {}, true)).toEqual(once)
  } finally {
    Date.now = real.now
    Reflect.deleteProperty(performance, 'now')
    Math.random = real.random
  }
})

test('a timer that a process has set is gone with the process', async () => {
  const said: string[] = []
  await simulateSeed((simulation) => {
    const process = simulation.process('p')
    void process.pause(5).then(() => setInterval(() => said.push(`${simulation.now}`), 10))
    simulation.at(30, () => process.kill())
    return { done: () => true }
  }, 1)
  expect(said).toEqual(['15', '25'])
})

test('simulations that are started together wait for each other, since the globals of time are one simulation’s at a time', async () => {
  const now = Date.now
  const reading: Scenario = ({ at, violation }) => {
    const began = Date.now()
    at(10, () => {
      if (Date.now() !== began + 10) violation('time', 'is not this simulation’s')
    })
    return { done: () => true }
  }
  await Promise.all([simulate(reading, { seeds: 3 }), simulate(reading, { seeds: 3 })])
  expect(Date.now).toBe(now)
})
