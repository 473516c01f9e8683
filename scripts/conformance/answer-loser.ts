import type { ISocketFactory } from 'kafkajs'

/** Loses answers to produce requests: the broker has written the records, and the connection ends before its client hears of it. */
export interface AnswerLoser {
  /** Makes the sockets of a factory such that answers can be lost on them. */
  wrap(factory: ISocketFactory): ISocketFactory
  /** Loses the answers to the next produce requests to this topic. */
  lose(topic: string, count: number): void
}

const PRODUCE = 0

/** Makes an {@link AnswerLoser}. */
export function createAnswerLoser(): AnswerLoser {
  const losing = new Map<string, number>()

  const isToLose = (frame: unknown): frame is Buffer => {
    if (losing.size === 0 || !Buffer.isBuffer(frame) || frame.length < 12 || frame.readInt16BE(4) !== PRODUCE)
      return false
    for (const [topic, left] of losing) {
      if (!frame.includes(topic)) continue
      if (left > 1) losing.set(topic, left - 1)
      else losing.delete(topic)
      return true
    }
    return false
  }

  return {
    lose: (topic, count) => void losing.set(topic, count),
    wrap: (factory) => (options) => {
      const socket = factory(options)
      const doomed = new Set<number>() // correlation ids
      const write = socket.write.bind(socket) as (frame: unknown, ...rest: unknown[]) => boolean
      socket.write = ((frame: unknown, ...rest: unknown[]) => {
        if (isToLose(frame)) doomed.add(frame.readInt32BE(8))
        return write(frame, ...rest)
      }) as typeof socket.write
      const emit = socket.emit.bind(socket)
      socket.emit = ((event: string, ...args: unknown[]) => {
        const [chunk] = args
        // The broker answers in order, and kafkajs waits for it: such an answer begins a chunk.
        const isDoomed =
          event === 'data' && Buffer.isBuffer(chunk) && chunk.length >= 8 && doomed.has(chunk.readInt32BE(4))
        if (!isDoomed) return emit(event, ...args)
        socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
        return true
      }) as typeof socket.emit
      return socket
    },
  }
}
