import { expect, test } from 'vitest'
import type { Bench, BenchWorld } from '../../bench/bench.ts'
import { measure } from '../../bench/measure.ts'

const refuse = (): Promise<never> => Promise.reject(new Error('this bench needs no topic'))
const world = (shorten: number): BenchWorld => ({
  brokers: [],
  servers: () => Promise.reject(new Error('none')),
  durablePostgres: () => Promise.reject(new Error('none')),
  shorten,
  progress: () => undefined,
  topic: refuse,
  records: refuse,
})

function fake(bench: Partial<Bench> & { readonly ours: readonly number[]; readonly theirs: readonly number[] }) {
  const calls: string[] = []
  const take = (name: string, values: readonly number[]) => {
    let next = 0
    return async (share: number): Promise<number> => {
      calls.push(share === 1 ? name : `${name} ${share}`)
      return share === 1 ? values[next++]! : Number.NaN
    }
  }
  const whole: Bench = {
    name: 'fake',
    work: 'none',
    peers: [
      { name: 'ideal', reach: 0.9 },
      { name: 'peer', reach: 2 },
    ],
    warmUps: 1,
    warmUpShare: 0.5,
    prepare: async () => ({
      ours: take('ours', bench.ours),
      peers: [100, take('theirs', bench.theirs)],
      close: async () => void calls.push('closed'),
    }),
    ...bench,
  }
  return { bench: whole, calls }
}

test('who goes first changes with each round, so that neither side always has the warmer machine', async () => {
  const { bench, calls } = fake({ ours: [1, 1], theirs: [1, 1] })
  await measure(bench, world(1), 2)
  expect(calls).toEqual(['theirs 0.5', 'ours 0.5', 'ours', 'theirs', 'theirs', 'ours', 'closed'])
})

test('each peer is a row with the ratio of the medians, so that one slow round decides nothing', async () => {
  const { bench } = fake({ ours: [90, 1, 95], theirs: [30, 40, 1_000] })
  const rows = await measure(bench, world(1), 3)
  expect(rows.map(({ peerName, ratio, reached }) => ({ peerName, ratio, reached }))).toEqual([
    { peerName: 'ideal', ratio: 0.9, reached: true },
    { peerName: 'peer', ratio: 2.25, reached: true },
  ])
})

test('of what should be little, little is enough, and more is missed', async () => {
  const { bench } = fake({ ours: [110], theirs: [30], unit: 'MiB' })
  const rows = await measure(bench, world(1), 1)
  expect(rows.map(({ ratio, reached }) => [ratio.toFixed(2), reached])).toEqual([
    ['1.10', false],
    ['3.67', false],
  ])
  const less = fake({ ours: [80], theirs: [50], unit: 'MiB' })
  expect((await measure(less.bench, world(1), 1)).map(({ reached }) => reached)).toEqual([true, true])
})

test('a short run does not warm up, and a bench may ask for fewer rounds', async () => {
  const { bench, calls } = fake({ ours: [1], theirs: [1], mostRounds: 1 })
  await measure(bench, world(20), 5)
  expect(calls).toEqual(['ours', 'theirs', 'closed'])
})
