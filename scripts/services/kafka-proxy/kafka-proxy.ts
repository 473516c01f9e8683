import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { readClientId, readCorrelationId, readRequestHeader } from '../kafka-frames.ts'
import type { RequestHeader } from '../kafka-frames.ts'
import { freePorts } from '../ports.ts'
import { API_KEYS } from './api-keys.ts'
import type { ArmedFault } from './armed-faults.ts'
import { createArmedFaults } from './armed-faults.ts'
import { createByteBudget } from './byte-budget.ts'
import { createFrameWatch } from './frame-watch.ts'
import { createGate } from './gate.ts'
import { createHoles } from './holes.ts'
import type { Hole } from './holes.ts'
import { openLink, pump } from './link.ts'
import type { Link } from './link.ts'
import { createShaper } from './shaper.ts'
import type { Toxic } from './toxic.ts'

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
   * @defaultValue `connection: 'reset'`, every client
   */
  swallowResponses(
    apiKey: number,
    count: number,
    options?: { readonly connection?: 'reset' | 'open'; readonly clientId?: string },
  ): ArmedFault
  /** Holds each of the next `count` responses to `apiKey` for `ms`; later responses of that connection wait behind it. */
  delayResponses(apiKey: number, ms: number, count: number): ArmedFault
  /** Holds each of the next `count` requests of `apiKey` for `ms`; later requests of that connection wait behind it. */
  delayRequests(apiKey: number, ms: number, count: number): ArmedFault
  /**
   * Lets so many further bytes of produce requests through, all connections together, and resets the connection that would carry more:
   * the broker has half a request then.
   */
  cutAfterProducedBytes(bytes: number): ArmedFault
  /** Delays what passes by `ms`, more or less by up to `jitterMs`, in each direction. What came together goes on together, in order. */
  latency(ms: number, jitterMs?: number): Toxic
  /** Lets so many bytes a second pass, in each direction of each connection. */
  bandwidth(bytesPerSecond: number): Toxic
  /** Cuts what passes into pieces of `minBytes` to `maxBytes`, each written by itself. */
  slicer(minBytes: number, maxBytes: number): Toxic
  /** Holds what would pass in one direction, or of one client alone, as a route that is broken one way. Healed, it goes on. */
  hole(hole: Hole): Toxic
  /** Refuses connections and resets those that are open, as a host whose broker is down. Healed, it listens again at the same port. */
  refuse(): Promise<{ heal(): Promise<void> }>
  /** Resets every connection now, as a crashed host would. New ones are taken. */
  reset(): void
  /** Ends its side of every connection, and still takes what clients send there: a half-closed connection. New ones are taken. */
  halfClose(): void
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

/** How a proxy is made. */
export interface KafkaProxyOptions {
  readonly upstreamPort?: number
  /** Gives jitter and cuts; `Math.random` when left out. */
  readonly random?: () => number
}

/** Starts a proxy on a free loopback port. */
export async function startKafkaProxy(options: KafkaProxyOptions = {}): Promise<KafkaProxy> {
  let upstreamPort = options.upstreamPort
  const links = new Set<Link>()
  const requests = createFrameWatch()
  const responses = createFrameWatch()
  const faults = createArmedFaults()
  const budget = createByteBudget()
  const shaper = createShaper(options.random ?? Math.random)
  const everything = createGate()
  const holes = createHoles()

  const server = createServer({ noDelay: true }, (client) => {
    if (upstreamPort === undefined) {
      client.on('error', () => undefined).resetAndDestroy()
      return
    }
    const link = openLink(client, upstreamPort)
    links.add(link)
    link.closed.addEventListener('abort', () => links.delete(link), { once: true })
    void pump(link, link.client, link.broker, carryRequest)
    void pump(link, link.broker, link.client, carryResponse)
  })
  const port = await listenOnFreePort(server)

  async function carryRequest(link: Link, frame: Buffer, arrivedAt: number): Promise<void> {
    await everything.passed(link.closed)
    const header = readRequestHeader(frame)
    link.clientId ??= readClientId(frame)
    await holes.passed('requests', link)
    link.waiting.set(header.correlationId, header)
    requests.saw(header)
    const fault = faults.strike('delayRequests', header.apiKey, link.clientId)
    if (fault !== undefined) await sleep(fault.ms, undefined, { signal: link.closed })
    await everything.passed(link.closed) // a hole opened during the delay holds this frame too
    await holes.passed('requests', link)
    const room = header.apiKey === API_KEYS.produce ? budget.take(frame.length) : frame.length
    await shaper.write(link.broker, frame.subarray(0, room), arrivedAt, link.closed)
    if (room < frame.length) link.reset()
  }

  async function carryResponse(link: Link, frame: Buffer, arrivedAt: number): Promise<void> {
    await everything.passed(link.closed)
    await holes.passed('responses', link)
    const correlationId = readCorrelationId(frame)
    const header = link.waiting.get(correlationId)
    if (header !== undefined) {
      link.waiting.delete(correlationId)
      responses.saw(header)
      const swallowed = faults.strike('swallow', header.apiKey, link.clientId)
      if (swallowed !== undefined) {
        if (swallowed.connection === 'reset') link.reset()
        return
      }
      const fault = faults.strike('delayResponses', header.apiKey, link.clientId)
      if (fault !== undefined) await sleep(fault.ms, undefined, { signal: link.closed })
      await everything.passed(link.closed)
      await holes.passed('responses', link)
    }
    if (link.client.writableEnded) return // half-closed: it is not heard any more
    await shaper.write(link.client, frame, arrivedAt, link.closed)
  }

  function reset(): void {
    for (const link of links) link.reset()
  }

  async function stopListening(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    reset()
    await closed
  }

  return {
    address: `127.0.0.1:${port}`,
    port,
    setUpstream: (next) => void (upstreamPort = next),
    swallowResponses: (apiKey, count, { connection = 'reset', clientId } = {}) =>
      faults.arm({ kind: 'swallow', apiKey, ms: 0, connection, clientId }, count),
    delayResponses: (apiKey, ms, count) =>
      faults.arm({ kind: 'delayResponses', apiKey, ms, connection: 'open' }, count),
    delayRequests: (apiKey, ms, count) => faults.arm({ kind: 'delayRequests', apiKey, ms, connection: 'open' }, count),
    cutAfterProducedBytes: (bytes) => budget.set(bytes),
    latency: (ms, jitterMs = 0) => shaper.latency(ms, jitterMs),
    bandwidth: (bytesPerSecond) => shaper.bandwidth(bytesPerSecond),
    slicer: (minBytes, maxBytes) => shaper.slicer(minBytes, maxBytes),
    hole: (hole) => holes.open(hole),
    async refuse() {
      if (server.listening) await stopListening()
      return {
        async heal() {
          if (!server.listening) await listen(server, port)
        },
      }
    },
    reset,
    halfClose() {
      for (const { client } of links) client.end()
    },
    blackHole: (on) => (on ? everything.shut() : everything.open()),
    requests: (apiKey) => requests.count(apiKey),
    responses: (apiKey) => responses.count(apiKey),
    nextRequest: (apiKey) => requests.next(apiKey),
    nextResponse: (apiKey) => responses.next(apiKey),
    get connections() {
      return links.size
    },
    async close() {
      if (server.listening) await stopListening()
    },
  }
}

const STARTS = 3

/** Below the ephemeral range, so that no outgoing connection takes the port while the proxy refuses. */
async function listenOnFreePort(server: Server): Promise<number> {
  for (let start = 1; ; start++) {
    const [port = 0] = await freePorts(1)
    try {
      await listen(server, port)
      return port
    } catch (error) {
      if (start === STARTS || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}
