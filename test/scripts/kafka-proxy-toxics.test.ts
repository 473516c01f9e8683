import { once } from 'node:events'
import { expect, test } from 'vitest'
import { API_KEYS } from '../helpers/kafka-proxy.ts'
import { openClient, setup } from './proxied-peers.ts'

const { produce, fetch } = API_KEYS

test('latency delays both directions from the arrival on, so that what came together is answered together and in order', async () => {
  const { proxy, client, broker } = await setup()
  const latency = proxy.latency(80)
  const startedAt = performance.now()
  for (let id = 1; id <= 20; id++) client.send(fetch, id)
  for (let id = 1; id <= 20; id++) expect(await client.nextResponse()).toBe(id)
  const tookMs = performance.now() - startedAt
  expect(tookMs).toBeGreaterThan(2 * 79)
  expect(tookMs).toBeLessThan(20 * 80) // one after the other they would take 3,200 ms

  latency.heal()
  const healedAt = performance.now()
  client.send(fetch, 21)
  expect(await client.nextResponse()).toBe(21)
  expect(performance.now() - healedAt).toBeLessThan(79)
  expect(broker.handled.length).toBe(21)
})

test('jitter does not reorder, since TCP does not', async () => {
  const { proxy, client } = await setup()
  proxy.latency(10, 10)
  for (let id = 1; id <= 30; id++) client.send(fetch, id)
  for (let id = 1; id <= 30; id++) expect(await client.nextResponse()).toBe(id)
})

test('bandwidth lets bytes through at its rate, piece by piece, and the frame arrives whole', async () => {
  const { proxy, client, broker } = await setup()
  proxy.bandwidth(40_000)
  const startedAt = performance.now()
  client.send(produce, 1, 't', 8_000)
  expect((await broker.nextFrame()).length).toBe(8_015)
  expect(performance.now() - startedAt).toBeGreaterThan(150)
})

test('a slicer cuts frames at any byte, and both sides still read them', async () => {
  const { proxy, client, broker } = await setup()
  proxy.slicer(1, 4)
  client.send(produce, 1, 't', 100)
  client.send(fetch, 2)
  expect((await broker.nextFrame()).length).toBe(115)
  expect(await client.nextResponse()).toBe(1)
  expect(await client.nextResponse()).toBe(2)
})

test('a hole of one direction lets requests arrive whose answers never come, until it heals', async () => {
  const { proxy, client, broker } = await setup()
  const hole = proxy.hole({ direction: 'responses' })
  client.send(produce, 1)
  await broker.nextFrame()
  expect(client.responses).toEqual([])
  hole.heal()
  expect(await client.nextResponse()).toBe(1)
})

test('a hole of one client leaves the others alone', async () => {
  const { proxy, client, broker } = await setup()
  const other = await openClient(proxy)
  const hole = proxy.hole({ direction: 'requests', clientId: 'a' })
  client.send(fetch, 1, 'a')
  other.send(fetch, 2, 'b')
  expect(await other.nextResponse()).toBe(2)
  expect(broker.handled).toEqual([2])
  hole.heal()
  expect(await client.nextResponse()).toBe(1)
})

test('refusing resets what is open and takes nothing new, and healed it listens at the same port', async () => {
  const { proxy, client } = await setup()
  const refusal = await proxy.refuse()
  await client.closed
  await expect(openClient(proxy)).rejects.toMatchObject({ code: 'ECONNREFUSED' })

  await refusal.heal()
  const next = await openClient(proxy)
  next.send(fetch, 1)
  expect(await next.nextResponse()).toBe(1)
})

test('half-closed, the client reads the end, and what it still sends arrives', async () => {
  const { proxy, client, broker } = await setup({ clientStaysHalfOpen: true })
  client.send(fetch, 1)
  await client.nextResponse()
  await broker.nextFrame()

  const ended = once(client.socket, 'end')
  proxy.halfClose()
  await ended
  client.send(produce, 2)
  await broker.nextFrame()
  expect(broker.handled).toEqual([1, 2])
  expect(client.responses).toEqual([1])
})

test('cuts in the middle of the produce request that goes above the bytes allowed, and counts no other kind', async () => {
  const { proxy, client, broker } = await setup()
  const cut = proxy.cutAfterProducedBytes(150)
  client.send(fetch, 1, 't', 500)
  client.send(produce, 2, 't', 85)
  await client.nextResponse()
  expect(await client.nextResponse()).toBe(2)

  client.send(produce, 3, 't', 85)
  await Promise.all([client.closed, cut.spent])
  expect(broker.handled).toEqual([1, 2])
  const next = await openClient(proxy)
  next.send(produce, 4, 't', 500)
  expect(await next.nextResponse()).toBe(4) // once only
})

test('a fault for one client passes over the same requests of others', async () => {
  const { proxy, client } = await setup()
  const other = await openClient(proxy)
  const fault = proxy.swallowResponses(produce, 1, { clientId: 'a' })
  other.send(produce, 1, 'b')
  expect(await other.nextResponse()).toBe(1)
  client.send(produce, 2, 'a')
  await Promise.all([client.closed, fault.spent])
})
