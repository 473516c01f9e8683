import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { controlSockets } from '../../../src/driver/kafkajs/socket-control.ts'

let server: Server
let port: number
beforeEach(async () => {
  server = createServer({ allowHalfOpen: true }) // a broker that does not close its side
  server.on('connection', (socket) => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterEach(() => void server.close())

async function opened(control: ReturnType<typeof controlSockets>): Promise<Socket> {
  const socket = await new Promise<Socket>((resolve) => {
    const made = control.socketFactory({
      host: '127.0.0.1',
      port,
      ssl: undefined as never,
      onConnect: () => resolve(made),
    })
  })
  socket.on('error', () => {})
  return socket
}

/** `once` would reject at the error that comes first. */
function closeOf(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}

test('a cut closes an open socket, and refuses new ones', async () => {
  const control = controlSockets(undefined)
  const socket = await opened(control)
  const closed = closeOf(socket)
  control.cut()
  await closed
  expect(() => control.socketFactory({ host: '127.0.0.1', port, ssl: undefined as never, onConnect() {} })).toThrow(
    'closed or replaced',
  )
})

test('a cut closes a socket that was just ended: else the process never exits', async () => {
  const control = controlSockets(undefined)
  const socket = await opened(control)
  socket.end() // and its FIN is still on its way: exactly then a reset is refused
  const closed = closeOf(socket)
  control.cut()
  await closed
  expect(socket.destroyed).toBe(true)
})

test('a cut closes a socket that is still connecting', async () => {
  const control = controlSockets(undefined)
  const socket = control.socketFactory({ host: '127.0.0.1', port, ssl: undefined as never, onConnect() {} })
  socket.on('error', () => {})
  const closed = closeOf(socket)
  control.cut()
  await closed
  expect(socket.destroyed).toBe(true)
})

test('a write to a socket that is gone is answered with an error, since kafkajs has queued its request and would wait for ever', async () => {
  const control = controlSockets(undefined)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = await opened(control)
  const closed = closeOf(socket)
  const [broker] = await accepted
  broker.resetAndDestroy()
  await closed

  // kafkajs does so: it takes a connection that is being closed for a connected one, and has stopped its watch over timeouts by then.
  const answer = new Promise<Error>((resolve) => socket.once('error', resolve))
  socket.write('a request')
  expect((await answer).message).toContain('gone')
})
