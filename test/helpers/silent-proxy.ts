import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

/** Stands before a server, and can fall silent as a network does that loses everything: both sides keep their connections, and hear nothing. */
export interface SilentProxy {
  /** The server's address, by way of the proxy. */
  readonly url: string
  silence(): void
  close(): Promise<void>
}

/** Starts a {@link SilentProxy} on a free loopback port. */
export async function silentProxy(serverUrl: string): Promise<SilentProxy> {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let silent = false
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.on('data', (bytes) => void (silent || to.write(bytes)))
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      if (!silent) to.destroy()
    })
  }
  const server = createServer((near) => {
    const far = connect({ port: Number(target.port), host: target.hostname })
    pass(near, far)
    pass(far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(serverUrl)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    silence: () => void (silent = true),
    async close() {
      silent = true
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
