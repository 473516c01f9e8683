import type { Bench, BenchRow, BenchWorld } from './bench.ts'

/**
 * Rounds alternate, ours and the peer's, and the first of each round changes, so that what else the machine does falls on both. The
 * ratio is that of the medians.
 */
export async function measure(
  bench: Bench,
  world: BenchWorld,
  rounds: number,
  progress: (line: string) => void,
): Promise<BenchRow> {
  const prepared = await bench.prepare(world)
  try {
    progress(`${bench.name}: warming up`)
    for (let i = 0; i < WARM_UPS; i++) {
      await prepared.ours()
      await prepared.peer()
    }
    const rates = { ours: [] as number[], peer: [] as number[] }
    for (let round = 1; round <= rounds; round++) {
      const order = round % 2 === 1 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const)
      for (const side of order) rates[side].push(await rate(() => prepared[side]()))
      progress(
        `${bench.name}: round ${round} of ${rounds}, ${perSecond(rates.ours.at(-1)!)} to ${perSecond(rates.peer.at(-1)!)}`,
      )
    }
    const [ours, peer] = [median(rates.ours), median(rates.peer)]
    return { bench: bench.name, work: bench.work, ours, peer, peerName: bench.peerName, ratio: ours / peer }
  } finally {
    await prepared.close()
  }
}

/** Both sides go on getting faster for about so many rounds: the compiler, and the broker's own. */
const WARM_UPS = 3

/** Units in a second, for people. */
export function perSecond(value: number): string {
  return `${Math.round(value).toLocaleString('en')}/s`
}

async function rate(work: () => Promise<number>): Promise<number> {
  const started = performance.now()
  const done = await work()
  return done / ((performance.now() - started) / 1_000)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
