import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'
import { API_KEYS } from '../../helpers/kafka-proxy.ts'

/** A user's own `socketFactory` that writes down what leaves through its sockets. */
export interface WatchedSockets {
  readonly socketFactory: ISocketFactory
  /** How many sockets it has made. */
  made(): number
  /** The requests that were written, in order, each by its name in {@link API_KEYS}; `dead` behind it when the socket was closed. */
  readonly written: string[]
}

/** Makes a {@link WatchedSockets}. */
export function watchSockets(): WatchedSockets {
  const written: string[] = []
  const names = new Map<number, string>(Object.entries(API_KEYS).map(([name, key]) => [key, name]))
  let made = 0
  return {
    written,
    made: () => made,
    socketFactory({ host, port, ssl, onConnect }) {
      made++
      const socket = ssl ? connectTls({ host, port, ...ssl }, onConnect) : connect({ host, port }, onConnect)
      const write = socket.write.bind(socket) as (frame: Buffer, ...rest: unknown[]) => boolean
      socket.write = ((frame: Buffer, ...rest: unknown[]) => {
        written.push(`${names.get(frame.readInt16BE(4))}${socket.writable ? '' : ' dead'}`)
        return write(frame, ...rest)
      }) as typeof socket.write
      return socket
    },
  }
}
