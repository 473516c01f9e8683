import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createFrameSplitter } from '../kafka-frames.ts'
import type { RequestHeader } from '../kafka-frames.ts'

/** One client connection and the connection to the broker made for it. */
export interface Link {
  readonly client: Socket
  readonly broker: Socket
  /** Requests that have no response yet, by correlation id. */
  readonly waiting: Map<number, RequestHeader>
  /** Aborted when nothing can pass any more. */
  readonly closed: AbortSignal
  /** Who speaks, once the first request has said so. */
  clientId: string | null
  /** Requests on their way to the broker: held by a fault, or being written. */
  passing: number
  reset(): void
  finish(): void
}

/** What becomes of each frame of one direction. Resolves when it is dealt with. */
export type Carry = (link: Link, frame: Buffer, arrivedAt: number) => Promise<void>

/** Connects a client to the broker; nothing passes before {@link pump}. */
export function openLink(client: Socket, upstreamPort: number): Link {
  const broker = connect({ port: upstreamPort, host: '127.0.0.1', noDelay: true })
  const closing = new AbortController()
  const link: Link = {
    client,
    broker,
    waiting: new Map(),
    closed: closing.signal,
    clientId: null,
    passing: 0,
    reset() {
      client.resetAndDestroy()
      broker.resetAndDestroy()
      closing.abort()
    },
    finish() {
      // An orderly end: a reset could make the other side throw away what it has not read yet.
      client.destroySoon()
      broker.destroySoon()
      closing.abort()
    },
  }
  client.on('error', () => undefined) // 'close' follows
  client.once('close', () => {
    // What a client sent before it died still arrives, as on a real network: a held request goes first, then the end.
    if (link.passing === 0) link.finish()
  })
  broker.on('error', () => link.reset())
  broker.once('close', () => link.finish())
  return link
}

/** So much may wait in a direction before no more is read: the sender feels a line that does not move. */
const MAX_WAITING_BYTES = 2 ** 20

/** Passes one direction's frames on, one after another, so that a held frame holds the ones behind it, as Kafka's order asks. */
export async function pump(link: Link, from: Socket, to: Socket, carry: Carry): Promise<void> {
  const splitter = createFrameSplitter()
  const isRequests = from === link.client
  let tail: Promise<void> = Promise.resolve()
  let waitingBytes = 0
  const fail = (error: unknown): void => {
    if (error instanceof RangeError)
      link.reset() // bytes that are not Kafka's
    else link.finish()
  }

  try {
    for await (const chunk of from) {
      const arrivedAt = performance.now()
      for (const frame of splitter.push(chunk as Buffer)) {
        waitingBytes += frame.length
        if (isRequests) link.passing += 1
        tail = tail
          .then(() => carry(link, frame, arrivedAt))
          .finally(() => {
            waitingBytes -= frame.length
            if (isRequests) link.passing -= 1
          })
        tail.catch(fail)
      }
      if (waitingBytes > MAX_WAITING_BYTES) await tail
    }
    await tail
    if (isRequests) to.end()
    else link.finish()
  } catch (error) {
    fail(error)
  }
}
