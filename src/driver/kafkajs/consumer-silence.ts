import type { Socket } from 'node:net'
import type { Clock } from '../../clock/index.ts'

/** When a connection counts as silent. */
export interface SilenceOptions {
  readonly clock: Clock
  /** How long a broker may leave a request unanswered, in ms. */
  readonly limitMs: number
  /** For how much longer it may rightly hold this request back; null for what has no answer that can be told. */
  readonly allowanceMs: (frame: unknown) => number | null
}

/**
 * Ends a connection whose broker has not answered for too long. kafkajs gives up the request alone, after its request timeout,
 * and sends the next one to the same broker: one that hangs (a stopped process, a black hole in the network) takes 30 seconds of
 * each metadata, coordinator and fetch request, one after the other. A broker answers the requests of a connection in their
 * order, so the oldest one tells.
 */
export function endWhenSilent(socket: Socket, { clock, limitMs, allowanceMs }: SilenceOptions): void {
  const unanswered: number[] = []
  const onData = frameCounter(() => void unanswered.shift())
  let quiet = 0
  const write = socket.write.bind(socket) as (frame: unknown, ...rest: unknown[]) => boolean
  socket.write = ((frame: unknown, ...rest: unknown[]) => {
    const allowed = allowanceMs(frame)
    if (allowed !== null && unanswered.push(allowed) === 1) quiet = 0
    return write(frame, ...rest)
  }) as Socket['write']
  socket.on('data', (chunk: Buffer) => {
    quiet = 0
    onData(chunk)
  })
  // Counted in steps, not by the clock: after a handler that blocked the process for long, what has arrived is read between two.
  const stepMs = Math.max(1, limitMs / STEPS)
  const timer = clock.every(stepMs, () => {
    const [allowed] = unanswered
    if (allowed === undefined || ++quiet * stepMs <= limitMs + allowed) return
    timer.cancel()
    socket.destroy(Object.assign(new Error(`no answer for ${limitMs + allowed} ms`), { code: 'ETIMEDOUT' }))
  })
  socket.once('close', () => timer.cancel())
}

const STEPS = 4

/** Calls for each frame (4 bytes of length, then as many) that has come in full. */
function frameCounter(onFrame: () => void): (chunk: Buffer) => void {
  let length = 0
  let lengthBytes = 0
  let left = 0
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (left === 0) {
        length = length * 256 + chunk[at++]!
        if (++lengthBytes < 4) continue
        left = length
        length = lengthBytes = 0
      } else {
        const taken = Math.min(left, chunk.length - at)
        left -= taken
        at += taken
      }
      if (left === 0) onFrame()
    }
  }
}
