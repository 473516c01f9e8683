import type { Bench, BenchRow, BenchWorld, PreparedBench } from './bench.ts'
import { isReached, UNITS } from './units.ts'

/**
 * Rounds alternate between ours and the peers, and the first of each round changes, so that what else the machine does falls on all.
 * The ratio is that of the medians.
 */
export async function measure(bench: Bench, world: BenchWorld, rounds: number): Promise<readonly BenchRow[]> {
  const { name, work, unit = 'per second', peers, warmUps = 3, warmUpShare = 1, mostRounds = rounds } = bench
  world.progress(`${name}: ${work}`)
  const prepared = await bench.prepare(world)
  try {
    const sides = [prepared.ours, ...prepared.peers].map((side) => ({ side, values: [] as number[] }))
    const measured = sides.filter(({ side, values }) => typeof side === 'function' || values.push(side) === 0)
    const last = Math.min(rounds, mostRounds)
    for (let round = world.shorten > 1 ? 1 : 1 - warmUps; round <= last; round++) {
      const order = round % 2 === 0 ? measured.toReversed() : measured
      for (const { side, values } of order) {
        const value = await (side as PreparedBench['ours'])(round > 0 ? 1 : warmUpShare)
        if (round > 0) values.push(value)
      }
      if (round > 0) {
        const texts = sides.map(({ values }) => UNITS[unit].text(values.at(-1)!))
        world.progress(`${name}: round ${round} of ${last}, ${texts[0]} to ${texts.slice(1).join(' and ')}`)
      }
    }
    const [ours = Number.NaN, ...theirs] = sides.map(({ values }) => median(values))
    return peers.map(({ name: peerName, reach }, i) => {
      const ratio = ours / theirs[i]!
      const reached = isReached(unit, ratio, reach)
      return { bench: name, work, unit, ours, peer: theirs[i]!, peerName, ratio, reach, reached }
    })
  } finally {
    await prepared.close()
  }
}

/** Units of `work` in a second, by the clock on the wall. */
export async function perSecond(work: () => Promise<number>): Promise<number> {
  const started = performance.now()
  const done = await work()
  return done / ((performance.now() - started) / 1_000)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
