import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { freePorts } from './ports.ts'

/** Stands before a server on loopback and knows nothing of what it carries: another server can take its place, and answers can get lost. */
export interface TcpProxy {
  /** Where clients connect, whatever stands behind it. */
  readonly port: number
  /** New connections go to this port of loopback; those that are open are reset. */
  pointTo(port: number): void
  /** Resets every connection. While it is shut, new ones are reset as well. */
  shut(): void
  /** New connections pass again. */
  open(): void
  /**
   * The next answers to requests that hold these bytes are not passed on: once the server has answered, the connection is reset. So the
   * server has done it, and nobody hears.
   */
  loseAnswers(request: Uint8Array, count: number): LostAnswers
  close(): Promise<void>
}

/** Answers that are to be lost. */
export interface LostAnswers {
  /** How many were. */
  readonly lost: number
  /** The rest pass. */
  disarm(): void
}

/** Starts a {@link TcpProxy} before a port of loopback. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const links = new Set<Socket>()
  const armed = new Set<Armed>()
  let [to, isShut] = [target, false]
  const [port = 0] = await freePorts(1)
  const server = createServer({ noDelay: true }, (client) => {
    if (isShut) {
      cut(client)
      return
    }
    link(client, connect({ port: to, host: '127.0.0.1', noDelay: true }))
  })

  function link(client: Socket, upstream: Socket): void {
    let awaited: Armed | null = null
    const reset = (): void => {
      for (const socket of [client, upstream]) {
        links.delete(socket)
        cut(socket)
      }
    }
    for (const socket of [client, upstream]) {
      links.add(socket)
      socket.on('error', reset)
      socket.on('close', reset)
    }
    client.on('data', (bytes) => {
      awaited ??= Array.from(armed).find(({ request, left }) => left > 0 && bytes.includes(request)) ?? null
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (awaited === null || awaited.left === 0) {
        client.write(bytes)
        return
      }
      awaited.left -= 1
      awaited.lost += 1
      reset()
    })
    client.on('end', () => upstream.end())
    upstream.on('end', () => client.end())
  }

  const resetAll = (): void => {
    for (const socket of links) cut(socket)
  }
  await listen(server, port)
  return {
    port,
    pointTo(other) {
      to = other
      resetAll()
    },
    shut() {
      isShut = true
      resetAll()
    },
    open: () => void (isShut = false),
    loseAnswers(request, count) {
      const answers: Armed = { request: Buffer.from(request), left: count, lost: 0 }
      armed.add(answers)
      return {
        get lost() {
          return answers.lost
        },
        disarm() {
          answers.left = 0
          armed.delete(answers)
        },
      }
    },
    async close() {
      isShut = true
      resetAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A socket that has been ended cannot be reset any more: libuv would refuse, and its handle would keep this process from ending. */
function cut(socket: Socket): void {
  if (socket.writableEnded || socket.connecting) socket.destroy()
  else if (!socket.destroyed) socket.resetAndDestroy()
}

interface Armed {
  readonly request: Buffer
  left: number
  lost: number
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}
