import type { Journal } from '../history/index.ts'

/** What of a process has to stay bounded. */
export interface ResourceSampler {
  sample(phase?: 'baseline' | 'stopped'): void
  stop(): void
}

const EVERY_MS = 1_000

/** Writes down memory, sockets and timers every second; `inFlight` is how many messages are under way. */
export function sampleResources(journal: Journal, inFlight: () => number): ResourceSampler {
  const sample = (phase?: 'baseline' | 'stopped'): void => {
    const { rss, heapUsed } = process.memoryUsage()
    const active = process.getActiveResourcesInfo()
    journal.write({
      f: 'resources',
      rssMb: toMb(rss),
      heapMb: toMb(heapUsed),
      sockets: active.filter((name) => name === 'TCPSocketWrap').length,
      timers: active.filter((name) => name === 'Timeout').length,
      inFlight: inFlight(),
      ...(phase === undefined ? {} : { phase }),
    })
  }
  const timer = setInterval(() => sample(), EVERY_MS)
  timer.unref()
  return { sample, stop: () => clearInterval(timer) }
}

function toMb(bytes: number): number {
  return Math.round(bytes / 2 ** 17) / 8
}
