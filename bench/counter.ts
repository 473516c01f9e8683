import type { Consumed } from './consumer-process.ts'
import type { Point } from './slope.ts'
import { slope } from './slope.ts'

/** Counts handled records and measures from the first to the last that is wanted; what comes after that is not looked at. */
export interface Counter {
  handled(): void
  /** Called now and then, with what the consumer holds. */
  holds(bytes: number): void
  /** Resolves at the last record. */
  readonly done: Promise<void>
  consumed(): Consumed
}

const HEAP_EVERY = 10_000

/** @param heap - whether to sample the heap: needs `--expose-gc` */
export function createCounter(count: number, heap: boolean): Counter {
  let handled = 0
  let started = 0
  let ended = 0
  let cpuBefore = process.cpuUsage()
  let cpu = cpuBefore
  let bufferedBytes = 0
  const heapAt: Point[] = []
  let finish: () => void
  const done = new Promise<void>((resolve) => (finish = resolve))
  return {
    done,
    handled() {
      handled++
      if (handled === 1) {
        started = performance.now()
        cpuBefore = process.cpuUsage()
      }
      // Not before a tenth is done: until then buffers fill up.
      if (heap && handled <= count && handled * 10 >= count && handled % HEAP_EVERY === 0) {
        ;(globalThis as unknown as { gc(): void }).gc()
        const { heapUsed, external } = process.memoryUsage() // what buffers hold is external
        heapAt.push({ x: handled, y: heapUsed + external })
      }
      if (handled === count) {
        ended = performance.now()
        cpu = process.cpuUsage(cpuBefore)
        finish()
      }
    },
    holds(bytes) {
      if (bytes > bufferedBytes) bufferedBytes = bytes
    },
    consumed: () => ({
      records: count,
      seconds: (ended - started) / 1_000,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      bufferedBytes,
      ...(heap && { heapBytesPerRecord: slope(heapAt) }),
    }),
  }
}
