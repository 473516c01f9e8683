import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { startDurableRedis } from '../../scripts/services/index.ts'

test('a durable Redis that is killed comes back at its address with all that it had acknowledged', async () => {
  const server = await startDurableRedis(() => undefined)
  const client = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  try {
    await Promise.all(Array.from({ length: 500 }, (_, i) => client.set(`mark-${i}`, i)))
    await server.kill()
    const asked = client.dbsize() // waits in the client for the server
    await server.restart()
    expect(await asked).toBe(500)
  } finally {
    client.disconnect()
    await server.close()
  }
})
