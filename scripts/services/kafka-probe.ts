import { connect } from 'node:net'
import { createFrameSplitter } from './kafka-frames.ts'

const PROBE_TIMEOUT_MS = 1_000
const NO_ERROR = 0

/**
 * Asks one broker which brokers it knows as alive (Metadata v1). Raw frames rather than a client: a probe must answer for this
 * one address, at once, without retries, caches or log lines of its own.
 *
 * @throws Error when the broker does not answer within a second.
 */
export async function liveBrokers(port: number): Promise<readonly { readonly id: number; readonly port: number }[]> {
  const body = Buffer.from([0, 0, 0, 0]) // no topics
  const response = await ask(port, 3, 1, body)
  let at = 0
  const count = response.readInt32BE(at)
  at += 4
  const brokers: { id: number; port: number }[] = []
  for (let i = 0; i < count; i++) {
    const id = response.readInt32BE(at)
    at += 4
    at += 2 + response.readInt16BE(at) // host
    brokers.push({ id, port: response.readInt32BE(at) })
    at += 4
    at += 2 + Math.max(0, response.readInt16BE(at)) // rack, null as -1
  }
  return brokers
}

/**
 * Can a group (or a transactional id) find its coordinator (FindCoordinator v1)? The first call makes the broker create the topic
 * behind it, so that the first real client does not wait for that.
 */
export async function hasCoordinator(port: number, kind: 'group' | 'transaction'): Promise<boolean> {
  const key = Buffer.from('holdfast-probe')
  const body = Buffer.alloc(2 + key.length + 1)
  body.writeInt16BE(key.length, 0)
  key.copy(body, 2)
  body.writeInt8(kind === 'group' ? 0 : 1, 2 + key.length)
  const response = await ask(port, 10, 1, body)
  return response.readInt16BE(4) === NO_ERROR // after the throttle time
}

/** Sends one request of a version with the old, fixed header, and returns the response after its correlation id. */
function ask(port: number, apiKey: number, apiVersion: number, body: Buffer): Promise<Buffer> {
  const clientId = Buffer.from('probe')
  const frame = Buffer.alloc(4 + 8 + 2 + clientId.length + body.length)
  frame.writeInt32BE(frame.length - 4, 0)
  frame.writeInt16BE(apiKey, 4)
  frame.writeInt16BE(apiVersion, 6)
  frame.writeInt32BE(1, 8)
  frame.writeInt16BE(clientId.length, 12)
  clientId.copy(frame, 14)
  body.copy(frame, 14 + clientId.length)

  return new Promise((resolve, reject) => {
    const splitter = createFrameSplitter()
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(frame))
    socket.setTimeout(PROBE_TIMEOUT_MS, () => socket.destroy(new Error(`no answer on port ${port}`)))
    socket.on('data', (chunk) => {
      const [response] = splitter.push(chunk)
      if (response === undefined) return
      resolve(response.subarray(8))
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`the connection to port ${port} closed without an answer`)))
  })
}
