import { connect as connectPlain, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/** Every socket of one kafkajs client, and the end of them all. */
export interface SocketControl {
  readonly socketFactory: ISocketFactory
  /**
   * Resets every socket and refuses new ones: from here on nothing more of this client leaves the process, neither what
   * kafkajs still wants to send nor what waits in a buffer. What the broker's machine has received it may still handle.
   */
  cut(): void
}

/** Keeps hold of the sockets that kafkajs opens, the user's own `socketFactory` included. */
export function controlSockets(userFactory: ISocketFactory | undefined): SocketControl {
  const open = new Set<Socket>()
  const make = userFactory ?? defaultSocketFactory
  let isCut = false
  return {
    socketFactory(args) {
      if (isCut) throw replaced()
      const socket = make(args)
      answerLateWrites(socket)
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      return socket
    },
    cut() {
      isCut = true
      for (const socket of open) reset(socket)
      open.clear()
    },
  }
}

/**
 * Tells kafkajs of a write that leads nowhere. It takes a connection that it is closing for a connected one: a request that is encoded
 * in that moment goes to a socket that is gone, after all others were rejected and the watch over timeouts has ended. Node says nothing
 * of such a write but to its callback, which kafkajs does not give, and the request's partition would wait until its delivery timeout.
 */
function answerLateWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: readonly unknown[]) => boolean
  const answering = (...args: readonly unknown[]): boolean => {
    if (socket.destroyed) void Promise.resolve().then(() => tell(socket, gone())) // after kafkajs has noted the request
    return write(...args)
  }
  socket.write = answering as Socket['write']
}

function tell(socket: Socket, reason: Error): void {
  if (socket.listenerCount('error') > 0) socket.emit('error', reason)
}

function gone(): Error {
  return new Error('the connection was gone before this request')
}

function reset(socket: Socket): void {
  const reason = replaced()
  try {
    // A plain close would leave the kernel to deliver what is buffered, minutes later if the network comes back then.
    // One that was ended already cannot be reset either: libuv refuses, and the socket would keep the process alive for ever.
    if (socket.connecting || socket.writableEnded) socket.destroy(reason)
    else socket.resetAndDestroy()
  } catch {
    socket.destroy(reason) // a TLS socket cannot be reset
    return
  }
  tell(socket, reason) // a reset alone tells kafkajs nothing; its requests would hang
}

function replaced(): Error {
  return new Error('this client was closed or replaced')
}

/** As kafkajs' own (`network/socketFactory.js`), which it does not export. */
const defaultSocketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
    : connectPlain({ host, port }, onConnect)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  socket.setNoDelay(true)
  return socket
}

const KEEP_ALIVE_MS = 60_000
