import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFrameSplitter, readCorrelationId, readRequestHeader } from './kafka-frames.ts'
import type { RequestHeader } from './kafka-frames.ts'

/** The api keys that tests arm most. @see https://kafka.apache.org/protocol#protocol_api_keys */
export const API_KEYS = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  apiVersions: 18,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
} as const

/** A fault that waits for its frames. */
export interface ArmedFault {
  /** Frames it will still hit. */
  readonly remaining: number
  /** Resolves when it has hit all of them; stays open for ever when disarmed before. */
  readonly spent: Promise<void>
  /** Takes it back: no further frame is hit. */
  disarm(): void
}

/** A TCP proxy before one broker that understands Kafka's frames, so that faults hit one kind of request exactly. */
export interface KafkaProxy {
  /** `host:port` that clients use. */
  readonly address: string
  readonly port: number
  /** Where connections go; can be set once the broker's port is known. Connections made before it is set are reset. */
  setUpstream(port: number): void
  /**
   * Drops the next `count` responses to `apiKey`: the broker has done the work, the client never hears. The connection is then
   * `'reset'`, or left `'open'` so that the client runs into its own timeout.
   *
   * @defaultValue `connection: 'reset'`
   */
  swallowResponses(apiKey: number, count: number, options?: { readonly connection?: 'reset' | 'open' }): ArmedFault
  /** Holds each of the next `count` responses to `apiKey` for `ms`; later responses of that connection wait behind it. */
  delayResponses(apiKey: number, ms: number, count: number): ArmedFault
  /** Holds each of the next `count` requests of `apiKey` for `ms`; later requests of that connection wait behind it. */
  delayRequests(apiKey: number, ms: number, count: number): ArmedFault
  /** Resets every connection now, as a crashed host would. New ones are taken. */
  reset(): void
  /** While on, nothing passes in either direction and nothing is refused, as with a dropped route; off lets all of it go on. */
  blackHole(on: boolean): void
  /** Requests of `apiKey` that have arrived from clients. */
  requests(apiKey: number): number
  /** Responses to `apiKey` that have arrived from the broker, the swallowed ones included. */
  responses(apiKey: number): number
  /** Resolves with the next request of `apiKey` that arrives, before it is passed on. */
  nextRequest(apiKey: number): Promise<RequestHeader>
  /** Resolves when the broker's next response to `apiKey` arrives: the request has been carried out. */
  nextResponse(apiKey: number): Promise<RequestHeader>
  /** Open client connections. */
  readonly connections: number
  /** Resets all connections and stops listening. */
  close(): Promise<void>
}

/** Starts a proxy on a free loopback port. */
export async function startKafkaProxy(options: { readonly upstreamPort?: number } = {}): Promise<KafkaProxy> {
  let upstreamPort = options.upstreamPort
  const links = new Set<Link>()
  const requests = createWatch()
  const responses = createWatch()
  const faults: Fault[] = []
  const hole = createGate()

  const server = createServer({ noDelay: true }, (client) => {
    if (upstreamPort === undefined) {
      client.on('error', () => undefined).resetAndDestroy()
      return
    }
    const link = openLink(client, upstreamPort)
    links.add(link)
    link.closed.addEventListener('abort', () => links.delete(link), { once: true })
    void pump(link, link.client, link.broker, onRequest)
    void pump(link, link.broker, link.client, onResponse)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  /** Each `on…` answers whether the frame goes on. */
  async function onRequest(link: Link, frame: Buffer): Promise<boolean> {
    await hole.passed(link.closed)
    const header = readRequestHeader(frame)
    link.waiting.set(header.correlationId, header)
    requests.saw(header)
    const fault = strike('delayRequests', header.apiKey)
    if (fault !== undefined) await sleep(fault.ms, undefined, { signal: link.closed })
    await hole.passed(link.closed) // a hole opened during the delay holds this frame too
    return true
  }

  async function onResponse(link: Link, frame: Buffer): Promise<boolean> {
    await hole.passed(link.closed)
    const correlationId = readCorrelationId(frame)
    const header = link.waiting.get(correlationId)
    if (header === undefined) return true
    link.waiting.delete(correlationId)
    responses.saw(header)
    const swallowed = strike('swallow', header.apiKey)
    if (swallowed !== undefined) {
      if (swallowed.connection === 'reset') link.reset()
      return false
    }
    const fault = strike('delayResponses', header.apiKey)
    if (fault !== undefined) await sleep(fault.ms, undefined, { signal: link.closed })
    await hole.passed(link.closed)
    return true
  }

  function strike(kind: Fault['kind'], apiKey: number): Fault | undefined {
    const fault = faults.find((armed) => armed.kind === kind && armed.apiKey === apiKey)
    if (fault === undefined) return undefined
    fault.remaining -= 1
    if (fault.remaining === 0) {
      faults.splice(faults.indexOf(fault), 1)
      fault.spent()
    }
    return fault
  }

  function arm(fault: Omit<Fault, 'spent'>): ArmedFault {
    if (!Number.isInteger(fault.remaining) || fault.remaining < 1) {
      throw new RangeError(`a fault's count is a whole number of 1 or more, not ${fault.remaining}`)
    }
    let resolveSpent = (): void => undefined
    const spent = new Promise<void>((resolve) => (resolveSpent = resolve))
    const armed: Fault = { ...fault, spent: resolveSpent }
    faults.push(armed)
    return {
      get remaining() {
        return faults.includes(armed) ? armed.remaining : 0
      },
      spent,
      disarm() {
        if (faults.includes(armed)) faults.splice(faults.indexOf(armed), 1)
      },
    }
  }

  function reset(): void {
    for (const link of links) link.reset()
  }

  return {
    address: `127.0.0.1:${port}`,
    port,
    setUpstream: (next) => void (upstreamPort = next),
    swallowResponses: (apiKey, count, { connection = 'reset' } = {}) =>
      arm({ kind: 'swallow', apiKey, remaining: count, ms: 0, connection }),
    delayResponses: (apiKey, ms, count) =>
      arm({ kind: 'delayResponses', apiKey, remaining: count, ms, connection: 'open' }),
    delayRequests: (apiKey, ms, count) =>
      arm({ kind: 'delayRequests', apiKey, remaining: count, ms, connection: 'open' }),
    reset,
    blackHole: (on) => (on ? hole.shut() : hole.open()),
    requests: (apiKey) => requests.count(apiKey),
    responses: (apiKey) => responses.count(apiKey),
    nextRequest: (apiKey) => requests.next(apiKey),
    nextResponse: (apiKey) => responses.next(apiKey),
    get connections() {
      return links.size
    },
    async close() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      reset()
      await closed
    },
  }
}

interface Fault {
  readonly kind: 'swallow' | 'delayResponses' | 'delayRequests'
  readonly apiKey: number
  readonly ms: number
  readonly connection: 'reset' | 'open'
  readonly spent: () => void
  remaining: number
}

/** One client connection and the connection to the broker made for it. */
interface Link {
  readonly client: Socket
  readonly broker: Socket
  /** Requests that have no response yet, by correlation id. */
  readonly waiting: Map<number, RequestHeader>
  /** Aborted when nothing can pass any more. */
  readonly closed: AbortSignal
  /** A request is on its way to the broker: held by a fault, or being written. */
  passing: boolean
  reset(): void
  finish(): void
}

function openLink(client: Socket, upstreamPort: number): Link {
  const broker = connect({ port: upstreamPort, host: '127.0.0.1', noDelay: true })
  const closing = new AbortController()
  const link: Link = {
    client,
    broker,
    waiting: new Map(),
    closed: closing.signal,
    passing: false,
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
    if (!link.passing) link.finish()
  })
  broker.on('error', () => link.reset())
  broker.once('close', () => link.finish())
  return link
}

/** Passes one direction's frames on, one after another, so that a held frame holds the ones behind it, as Kafka's order asks. */
async function pump(
  link: Link,
  from: Socket,
  to: Socket,
  pass: (link: Link, frame: Buffer) => Promise<boolean>,
): Promise<void> {
  const splitter = createFrameSplitter()
  try {
    for await (const chunk of from) {
      link.passing ||= from === link.client
      for (const frame of splitter.push(chunk as Buffer)) {
        if (!(await pass(link, frame))) continue
        if (!to.write(frame)) await once(to, 'drain', { signal: link.closed })
      }
      link.passing &&= from !== link.client
    }
    if (from === link.client) to.end()
    else link.finish()
  } catch (error) {
    if (error instanceof RangeError)
      link.reset() // bytes that are not Kafka's
    else link.finish()
  }
}

/** Counts frames by api key and tells who waits for the next. */
function createWatch(): {
  saw(header: RequestHeader): void
  count(apiKey: number): number
  next(apiKey: number): Promise<RequestHeader>
} {
  const counts = new Map<number, number>()
  const waiters = new Map<number, ((header: RequestHeader) => void)[]>()
  return {
    saw(header) {
      counts.set(header.apiKey, (counts.get(header.apiKey) ?? 0) + 1)
      const waiting = waiters.get(header.apiKey) ?? []
      waiters.delete(header.apiKey)
      for (const tell of waiting) tell(header)
    },
    count: (apiKey) => counts.get(apiKey) ?? 0,
    next: (apiKey) => new Promise((resolve) => waiters.set(apiKey, [...(waiters.get(apiKey) ?? []), resolve])),
  }
}

/** A gate that is open at first. `passed` waits while it is shut, and rejects when the link closes meanwhile. */
function createGate(): { open(): void; shut(): void; passed(closed: AbortSignal): Promise<void> } {
  let opened: Promise<void> | undefined
  let release = (): void => undefined
  return {
    open() {
      release()
      opened = undefined
    },
    shut() {
      opened ??= new Promise((resolve) => (release = resolve))
    },
    async passed(closed) {
      while (opened !== undefined) {
        closed.throwIfAborted()
        let stop = (): void => undefined
        const ended = new Promise<void>((resolve) => (stop = resolve))
        closed.addEventListener('abort', stop, { once: true })
        await Promise.race([opened, ended])
        closed.removeEventListener('abort', stop)
      }
      closed.throwIfAborted()
    },
  }
}
