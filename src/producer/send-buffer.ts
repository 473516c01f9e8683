import type { PendingSend } from './pending-send.ts'

/**
 * Bounds the bytes of all messages that were taken over and have not ended. When it is full, sends wait in the order they came: a
 * large one is not overtaken, so that the order of a key stays and nothing starves.
 */
export interface SendBuffer {
  /** Calls `enter` with the send as soon as there is room, at once where there is. */
  admit(send: PendingSend, enter: (send: PendingSend) => void): void
  /** Gives back what an admitted send took. */
  release(send: PendingSend): void
  readonly bytes: number
}

/** Makes a {@link SendBuffer}. */
export function createSendBuffer(maxBytes: number): SendBuffer {
  const waiting: Array<{ readonly send: PendingSend; readonly enter: (send: PendingSend) => void }> = []
  let head = 0
  let bytes = 0

  const take = (send: PendingSend, enter: (send: PendingSend) => void): void => {
    bytes += send.size
    send.bufferedBytes = send.size
    enter(send)
  }

  const advance = (): void => {
    while (head < waiting.length) {
      const { send, enter } = waiting[head]!
      if (!send.isOver && bytes + send.size > maxBytes) break
      head++ // before it enters: what fails on entering comes back here
      if (!send.isOver) take(send, enter)
    }
    if (head > 0 && (head === waiting.length || head > 1_000)) {
      waiting.splice(0, head)
      head = 0
    }
  }

  return {
    admit(send, enter) {
      if (head === waiting.length && bytes + send.size <= maxBytes) return take(send, enter)
      send.phase = 'buffering'
      if (send.waits) waiting.push({ send, enter })
      else send.giveUp('HOLDFAST_BUFFER_FULL', `found the send buffer of ${maxBytes} bytes full`)
    },
    release(send) {
      bytes -= send.bufferedBytes
      send.bufferedBytes = 0
      if (waiting.length > 0) advance() // also when a waiting one gave up: it may have stood before smaller ones that fit
    },
    get bytes() {
      return bytes
    },
  }
}
