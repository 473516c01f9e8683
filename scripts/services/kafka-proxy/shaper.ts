import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Toxic } from './toxic.ts'
import { createToxicList } from './toxic.ts'

/** What makes a line slow, narrow, or coarse, in both directions of every connection. */
export interface Shaper {
  /** @see KafkaProxy.latency */
  latency(ms: number, jitterMs: number): Toxic
  /** @see KafkaProxy.bandwidth */
  bandwidth(bytesPerSecond: number): Toxic
  /** @see KafkaProxy.slicer */
  slicer(minBytes: number, maxBytes: number): Toxic
  /** Writes bytes that arrived at a time of the monotonic clock, as the line lets them. Rejects when the link closes meanwhile. */
  write(to: Socket, bytes: Buffer, arrivedAt: number, closed: AbortSignal): Promise<void>
}

/** So often a narrow line gives its bytes: a whole frame at the end of its time would be a pause, not a narrow line. */
const NARROW_STEP_MS = 20

/** Makes a {@link Shaper} that changes nothing yet. `random` gives jitter and the cuts. */
export function createShaper(random: () => number): Shaper {
  const latencies = createToxicList<{ readonly ms: number; readonly jitterMs: number }>()
  const bandwidths = createToxicList<{ readonly bytesPerSecond: number }>()
  const slicers = createToxicList<{ readonly minBytes: number; readonly maxBytes: number }>()

  function* pieces(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length;) {
      const { minBytes, maxBytes } = slicers.current ?? { minBytes: bytes.length, maxBytes: bytes.length }
      const cut = minBytes + Math.floor(random() * (maxBytes - minBytes + 1))
      const { bytesPerSecond = Infinity } = bandwidths.current ?? {}
      const length = Math.max(1, Math.min(cut, Math.floor((bytesPerSecond * NARROW_STEP_MS) / 1_000)))
      yield bytes.subarray(at, at + length)
      at += length
    }
  }

  return {
    latency(ms, jitterMs) {
      requireNumber('latency', ms, 0)
      requireNumber('jitter', jitterMs, 0)
      return latencies.add({ ms, jitterMs })
    },
    bandwidth(bytesPerSecond) {
      requireNumber('bandwidth', bytesPerSecond, 1)
      return bandwidths.add({ bytesPerSecond })
    },
    slicer(minBytes, maxBytes) {
      requireNumber('slice', minBytes, 1)
      requireNumber('slice', maxBytes, minBytes)
      return slicers.add({ minBytes, maxBytes })
    },
    async write(to, bytes, arrivedAt, closed) {
      const late = latencies.current
      if (late !== undefined) {
        // From its arrival on: what came together waits together, so that latency costs no throughput.
        const due = arrivedAt + Math.max(0, late.ms + (random() * 2 - 1) * late.jitterMs)
        const waitMs = due - performance.now()
        if (waitMs > 0) await sleep(waitMs, undefined, { signal: closed })
      }
      for (const piece of pieces(bytes)) {
        const narrow = bandwidths.current
        if (!to.write(piece)) await once(to, 'drain', { signal: closed })
        if (narrow !== undefined)
          await sleep((piece.length / narrow.bytesPerSecond) * 1_000, undefined, { signal: closed })
        else if (piece.length < bytes.length) await nextTurn(undefined, { signal: closed }) // else the pieces leave as one
      }
    },
  }
}

function requireNumber(what: string, value: number, min: number): void {
  if (!(value >= min)) throw new RangeError(`${what}: a number of ${min} or more is needed, not ${value}`)
}
