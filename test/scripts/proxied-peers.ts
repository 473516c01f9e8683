import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { createFrameSplitter, readCorrelationId, readRequestHeader } from '../../scripts/services/kafka-frames.ts'
import { startKafkaProxy } from '../helpers/kafka-proxy.ts'
import type { KafkaProxy } from '../helpers/kafka-proxy.ts'

/** A broker that answers everything, a proxy before it, and one client. All go with the test. */
export async function setup(
  options: ClientOptions = {},
): Promise<{ proxy: KafkaProxy; client: Client; broker: Broker }> {
  const broker = await startBroker()
  const proxy = await startKafkaProxy({ upstreamPort: broker.port })
  onTestFinished(() => proxy.close())
  return { proxy, client: await openClient(proxy, options), broker }
}

/** A broker that knows frames, and nothing else of Kafka. */
export interface Broker {
  readonly port: number
  /** Correlation ids in the order of arrival. */
  readonly handled: number[]
  nextFrame(): Promise<Buffer>
}

/** Answers each request frame with its correlation id alone. */
async function startBroker(): Promise<Broker> {
  const handled: number[] = []
  const frames = createQueue<Buffer>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    const splitter = createFrameSplitter()
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const frame of splitter.push(chunk)) {
        const { correlationId } = readRequestHeader(frame)
        handled.push(correlationId)
        frames.push(frame)
        const response = Buffer.alloc(8)
        response.writeInt32BE(4, 0)
        response.writeInt32BE(correlationId, 4)
        socket.write(response)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, handled, nextFrame: () => frames.next() }
}

/** How a client behaves. */
export interface ClientOptions {
  /** Goes on writing after the other side has ended. @defaultValue `false` */
  readonly clientStaysHalfOpen?: boolean
}

/** A client of {@link Broker}. */
export interface Client {
  readonly socket: Socket
  /** Correlation ids of all responses so far. */
  readonly responses: number[]
  readonly closed: Promise<unknown>
  send(apiKey: number, correlationId: number, clientId?: string, bodyBytes?: number): void
  nextResponse(): Promise<number>
}

/** Connects to a port of this host. */
export async function openClient(
  { port }: { readonly port: number },
  { clientStaysHalfOpen = false }: ClientOptions = {},
): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: clientStaysHalfOpen })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  const responses: number[] = []
  const queue = createQueue<number>()
  const splitter = createFrameSplitter()
  socket.on('data', (chunk) => {
    for (const frame of splitter.push(chunk)) {
      responses.push(readCorrelationId(frame))
      queue.push(readCorrelationId(frame))
    }
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  return {
    socket,
    responses,
    closed,
    send: (...what) => void socket.write(request(...what)),
    nextResponse: () => queue.next(),
  }
}

/** A request of version 7 with a client id of one letter, and a body of zeros. */
export function request(apiKey: number, correlationId: number, clientId = 't', bodyBytes = 0): Buffer {
  const frame = Buffer.alloc(15 + bodyBytes)
  frame.writeInt32BE(11 + bodyBytes, 0)
  frame.writeInt16BE(apiKey, 4)
  frame.writeInt16BE(7, 6)
  frame.writeInt32BE(correlationId, 8)
  frame.writeInt16BE(1, 12)
  frame.write(clientId, 14, 1)
  return frame
}

function createQueue<Item>(): { push(item: Item): void; next(): Promise<Item> } {
  const items: Item[] = []
  const waiting: ((item: Item) => void)[] = []
  return {
    push(item) {
      const tell = waiting.shift()
      if (tell === undefined) items.push(item)
      else tell(item)
    },
    next: () =>
      new Promise((resolve) => {
        const item = items.shift()
        if (item === undefined) waiting.push(resolve)
        else resolve(item)
      }),
  }
}
