import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { startTcpProxy } from '../../scripts/services/index.ts'

/** Answers `<name>: <what it was told>`, and remembers it. */
async function startEcho(name: string): Promise<{ readonly port: number; readonly heard: string[] }> {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      heard.push(bytes.toString())
      socket.write(`${name}: ${bytes.toString()}`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, heard }
}

async function startProxy(target: number) {
  const proxy = await startTcpProxy(target)
  onTestFinished(() => proxy.close())
  const ask = async (text: string): Promise<string> => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1' })
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => undefined) // a reset may come after the answer
    socket.write(text)
    try {
      const [bytes] = (await once(socket, 'data')) as [Buffer]
      return bytes.toString()
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? 'failed'
    }
  }
  return { proxy, ask }
}

test('passes both ways, and goes to the server that it is pointed to, as after a failover', async () => {
  const [first, second] = [await startEcho('first'), await startEcho('second')]
  const { proxy, ask } = await startProxy(first.port)
  expect(await ask('hello')).toBe('first: hello')
  const open = connect({ port: proxy.port, host: '127.0.0.1' })
  await once(open, 'connect')
  const gone = new Promise((resolve) => open.once('close', resolve))
  open.on('error', () => undefined)
  open.write('x')
  await once(open, 'data')
  proxy.pointTo(second.port)
  await gone // who talks to the old one hears of it
  expect(await ask('hello')).toBe('second: hello')
})

test('loses so many answers and no more: the server has done what was asked, and the client hears a reset', async () => {
  const echo = await startEcho('server')
  const { proxy, ask } = await startProxy(echo.port)
  const answers = proxy.loseAnswers(Buffer.from('commit'), 1)
  expect(await ask('begin')).toBe('server: begin')
  expect(await ask('commit 1')).toBe('ECONNRESET')
  expect(echo.heard).toEqual(['begin', 'commit 1'])
  expect(answers.lost).toBe(1)
  expect(await ask('commit 2')).toBe('server: commit 2')
  proxy.loseAnswers(Buffer.from('commit'), 1).disarm()
  expect(await ask('commit 3')).toBe('server: commit 3')
})

test('while it is shut nobody gets through, and nothing reaches the server', async () => {
  const echo = await startEcho('server')
  const { proxy, ask } = await startProxy(echo.port)
  proxy.shut()
  expect(await ask('hello')).toBe('ECONNRESET')
  expect(echo.heard).toEqual([])
  proxy.open()
  expect(await ask('hello')).toBe('server: hello')
})

test('a process that has closed its proxy ends, although connections were ended and reset at the same time', async () => {
  // Node spins for ever at its exit over a handle that libuv has refused to reset.
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'fixtures', 'proxied-and-gone.ts')],
    { timeout: 20_000, killSignal: 'SIGKILL' },
  )
  expect(stdout).toBe('closed\n')
}, 30_000)
