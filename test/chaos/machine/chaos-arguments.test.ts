import { expect, test } from 'vitest'
import { relayStorm, SCENARIOS, SMOKE } from '../scenarios/index.ts'
import { drawSchedule, inRounds, parseChaosArguments } from './index.ts'

const KNOWN = { scenarios: SCENARIOS, smoke: SMOKE, drivers: ['kafkajs'], storm: relayStorm }

test('faults are named by number or name, and run in the order in which they were named', () => {
  const args = parseChaosArguments(['--seed', '7', '--faults', 'zombie,1', '--json'], KNOWN)
  expect(args).toMatchObject({ kind: 'run', seed: 7, minutes: 20, driver: 'kafkajs', json: true })
  expect(args.kind === 'run' && args.faults?.map(({ name }) => name)).toEqual(['zombie', 'consumer-crash'])
})

test('everything that is wrong is told at once, so that nobody corrects one mistake after the other', () => {
  expect(
    parseChaosArguments(
      [
        '--seed',
        '-1',
        '--minutes=0',
        '--faults',
        '1,nonsense',
        '--driver',
        'carrier-pigeon',
        '--fast',
        'now',
        '--json=yes',
      ],
      KNOWN,
    ),
  ).toEqual({
    kind: 'wrong',
    problems: [
      'unknown option: --fast',
      'unexpected argument: now',
      '--json takes no value',
      '--seed takes a whole number from 0 to 999999999',
      '--minutes takes a whole number from 1 to 1440',
      '--driver takes one of: kafkajs',
      '--faults: there is no nonsense; see --list',
    ],
  })
})

test('the smoke is eight faults that are there, since a name that nobody has would run nothing', () => {
  const args = parseChaosArguments(['--smoke'], KNOWN)
  expect(args.kind === 'run' && args.faults?.map(({ number }) => number)).toEqual([1, 2, 6, 11, 16, 18, 32, 35])
  expect(parseChaosArguments(['--smoke', '--faults', '1'], KNOWN)).toMatchObject({ kind: 'wrong' })
})

test('the long run of an outbox is one scenario that takes the minutes it is given, ten unless told otherwise', () => {
  const storm = (args: readonly string[]) => {
    const parsed = parseChaosArguments(['--relay', ...args], KNOWN)
    return parsed.kind === 'run' ? parsed.faults?.map(({ name, seconds }) => ({ name, seconds })) : parsed
  }
  expect(storm([])).toEqual([{ name: 'relay-storm', seconds: relayStorm(10).seconds }])
  expect(storm(['--minutes', '3'])).toEqual([{ name: 'relay-storm', seconds: relayStorm(3).seconds }])
  expect(storm(['--smoke'])).toEqual({ kind: 'wrong', problems: ['--smoke and --relay cannot be had together'] })
})

test('without a seed each run draws another one, and says which', () => {
  const seeds = Array.from({ length: 5 }, () => parseChaosArguments([], KNOWN)).map(
    (args) => args.kind === 'run' && args.seed,
  )
  expect(new Set(seeds).size).toBeGreaterThan(1)
})

test('the same seed draws the same order, so that a run can be had again; another one another', () => {
  const names = (seed: number): readonly string[] => drawSchedule(SCENARIOS, seed).map(({ name }) => name)
  expect(names(4711)).toEqual(names(4711))
  expect(names(4711)).not.toEqual(names(4712))
  expect(names(4711).toSorted()).toEqual(SCENARIOS.map(({ name }) => name).toSorted())
})

test('when all have been run and there is time left they come again, in another order', () => {
  const first = drawSchedule(SCENARIOS, 4711)
  const [one, two, ...rest] = Array.from({ length: 2 }, (_, n) =>
    [...inRounds(first, 4711, 2)].filter(({ round }) => round === n + 1).map(({ scenario }) => scenario.name),
  )
  expect(one).toEqual(first.map(({ name }) => name))
  expect(two).toEqual(drawSchedule(first, 4712).map(({ name }) => name))
  expect(rest).toEqual([])
  expect([...inRounds([], 4711, Infinity)]).toEqual([])
})

test('every scenario has a name of its own that can be part of a topic, and says what happens', () => {
  const names = SCENARIOS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const { name, about, seconds } of SCENARIOS) {
    expect(name).toMatch(/^[a-z-]{3,30}$/)
    expect(about).toMatch(/^[A-Z].*\.$/)
    expect(seconds).toBeGreaterThan(0)
  }
})
