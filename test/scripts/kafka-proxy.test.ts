import { onTestFinished, expect, test } from 'vitest'
import { API_KEYS, startKafkaProxy } from '../helpers/kafka-proxy.ts'
import { openClient, request, setup } from './proxied-peers.ts'

const { produce, fetch } = API_KEYS

test('passes requests and responses through unchanged, however TCP has split them', async () => {
  const { client, broker } = await setup()
  const frame = request(produce, 1)
  for (const byte of frame) client.socket.write(Buffer.from([byte]))

  expect(await broker.nextFrame()).toEqual(frame)
  expect(await client.nextResponse()).toBe(1)
})

test('swallows the response of a request that the broker has carried out, and resets the connection', async () => {
  const { proxy, client, broker } = await setup()
  const fault = proxy.swallowResponses(produce, 1)

  client.send(produce, 1)
  await client.closed
  expect(broker.handled).toEqual([1])
  expect(client.responses).toEqual([])
  expect(fault.remaining).toBe(0)
  await fault.spent
})

test('leaves the connection open after a swallowed response when asked to, and lets the other responses pass', async () => {
  const { proxy, client, broker } = await setup()
  proxy.swallowResponses(produce, 1, { connection: 'open' })

  client.send(produce, 1)
  client.send(fetch, 2)
  client.send(produce, 3)
  expect(await client.nextResponse()).toBe(2)
  expect(await client.nextResponse()).toBe(3)
  expect(broker.handled).toEqual([1, 2, 3])
})

test('a disarmed fault hits nothing', async () => {
  const { proxy, client } = await setup()
  const fault = proxy.swallowResponses(produce, 2)
  fault.disarm()

  client.send(produce, 1)
  expect(await client.nextResponse()).toBe(1)
  expect(fault.remaining).toBe(0)
})

test('delays a response, and those behind it, since Kafka answers in order', async () => {
  const { proxy, client } = await setup()
  proxy.delayResponses(produce, 120, 1)
  const startedAt = performance.now()

  client.send(produce, 1)
  client.send(fetch, 2)
  await proxy.nextResponse(produce)
  expect(await client.nextResponse()).toBe(1)
  expect(performance.now() - startedAt).toBeGreaterThan(110)
  expect(await client.nextResponse()).toBe(2)
})

test('a delayed request still arrives after its client has gone, as a packet under way would', async () => {
  const { proxy, client, broker } = await setup()
  proxy.delayRequests(produce, 120, 1)

  const seen = proxy.nextRequest(produce)
  client.send(produce, 1)
  expect(await seen).toEqual({ apiKey: produce, apiVersion: 7, correlationId: 1 })
  client.socket.destroy()
  expect(broker.handled).toEqual([])
  expect(await broker.nextFrame()).toEqual(request(produce, 1))
})

test('lets nothing pass and refuses nothing while it is a black hole, and goes on with what waited after', async () => {
  const { proxy, client, broker } = await setup()
  client.send(fetch, 1)
  await client.nextResponse()

  proxy.blackHole(true)
  client.send(produce, 2)
  const late = await openClient(proxy)
  late.send(produce, 3)
  // Through an unblocked path to the same broker: by its answer, the held ones would have arrived as well.
  const beside = await openClient({ port: broker.port })
  beside.send(fetch, 4)
  await beside.nextResponse()
  expect(broker.handled).toEqual([1, 4])
  expect(proxy.requests(produce)).toBe(0)

  proxy.blackHole(false)
  expect(await client.nextResponse()).toBe(2)
  expect(await late.nextResponse()).toBe(3)
})

test('resets every connection on demand, and takes new ones', async () => {
  const { proxy, client } = await setup()
  const other = await openClient(proxy)
  for (const each of [client, other]) {
    each.send(fetch, 1)
    await each.nextResponse()
  }
  expect(proxy.connections).toBe(2)

  proxy.reset()
  await Promise.all([client.closed, other.closed])
  const next = await openClient(proxy)
  next.send(fetch, 2)
  expect(await next.nextResponse()).toBe(2)
})

test('counts requests and responses by api key, and tells of the next, so that tests wait for events', async () => {
  const { proxy, client } = await setup()
  const [seen, answered] = [proxy.nextRequest(fetch), proxy.nextResponse(fetch)]

  client.send(produce, 1)
  client.send(fetch, 2)
  expect((await seen).correlationId).toBe(2)
  expect((await answered).correlationId).toBe(2)
  expect([proxy.requests(produce), proxy.requests(fetch), proxy.responses(produce), proxy.responses(fetch)]).toEqual([
    1, 1, 1, 1,
  ])
})

test('resets a client whose broker is not there, as a crashed broker would', async () => {
  const proxy = await startKafkaProxy({ upstreamPort: 1 }) // nothing listens on port 1
  onTestFinished(() => proxy.close())
  const client = await openClient(proxy)
  client.send(fetch, 1)
  await client.closed
  expect(client.responses).toEqual([])
})

test('resets a client that does not speak Kafka', async () => {
  const { client, broker } = await setup()
  client.socket.write('GET / HTTP/1.1\r\n\r\n')
  await client.closed
  expect(broker.handled).toEqual([])
})

test('refuses a fault that would hit nothing', async () => {
  const { proxy } = await setup()
  expect(() => proxy.swallowResponses(produce, 0)).toThrow(RangeError)
})
