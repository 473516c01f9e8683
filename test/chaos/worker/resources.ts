import { setTimeout as sleep } from 'node:timers/promises'
import type { Journal } from '../history/index.ts'

/** What of a process has to stay bounded. */
export interface ResourceSampler {
  sample(phase?: 'baseline' | 'stopped'): void
  /** Writes down no more. */
  cancel(): void
  /** Waits until what was closed is gone, or should be; then writes down what is left. */
  stop(): Promise<void>
}

const EVERY_MS = 1_000
/** A socket that was ended is there until the other side has ended it too, and a connect that was given up until its timeout of 3 s. */
const CLOSING_MS = 5_000

/** Writes down memory, sockets and timers every second; `inFlight` is how many messages are under way. */
export function sampleResources(journal: Journal, inFlight: () => number): ResourceSampler {
  const sample = (phase?: 'baseline' | 'stopped'): void => {
    const { rss, heapUsed } = process.memoryUsage()
    journal.write({
      f: 'resources',
      rssMb: toMb(rss),
      heapMb: toMb(heapUsed),
      sockets: count('TCPSocketWrap'),
      timers: count('Timeout'),
      inFlight: inFlight(),
      ...(phase === undefined ? {} : { phase }),
    })
  }
  const timer = setInterval(() => sample(), EVERY_MS)
  timer.unref()
  return {
    sample,
    cancel: () => clearInterval(timer),
    async stop() {
      clearInterval(timer)
      const deadline = performance.now() + CLOSING_MS
      while (count('TCPSocketWrap') + count('Timeout') > 0 && performance.now() < deadline) await sleep(50)
      sample('stopped')
    },
  }
}

function count(resource: 'TCPSocketWrap' | 'Timeout'): number {
  return process.getActiveResourcesInfo().filter((name) => name === resource).length
}

function toMb(bytes: number): number {
  return Math.round(bytes / 2 ** 17) / 8
}
