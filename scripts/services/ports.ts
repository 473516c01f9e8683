import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

// Below Linux's ephemeral range (32768 and up): no outgoing connection can take a node's port while the node is restarted.
const LOWEST_PORT = 15_000
const HIGHEST_PORT = 32_000

/** Ports handed out by this process, so that two servers being started side by side never get the same one. */
const handedOut = new Set<number>()

/**
 * Finds free loopback ports, chosen at random so that several processes searching at once rarely meet.
 * Another process may still take one before its server listens: callers start again with other ports then.
 *
 * @throws Error when no free port was found in many tries.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > 1_000) throw new Error(`no ${count} free ports between ${LOWEST_PORT} and ${HIGHEST_PORT}`)
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT)
    if (handedOut.has(port)) continue
    handedOut.add(port)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
