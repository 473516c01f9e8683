import { connect } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import { expect, test } from 'vitest'
import { uniqueName, useKafka } from '../../helpers/services.ts'
import { countValues, createTopic, readTopic } from './log-reader.ts'
import { batchOf, ourProducer, send } from './our-producer.ts'

const PARTITIONS = 6
const ROUNDS = 60
const RESETS = 40
const PRODUCE = 0

/** Resets the connection just after every fifth Produce request was written, so that its fate is the broker's alone. */
function resettingFactory(): { readonly socketFactory: ISocketFactory; readonly resets: () => number } {
  let produces = 0
  let resets = 0
  const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect)
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    socket.write = (...args: unknown[]): boolean => {
      const written = write(...args)
      const [bytes] = args as [Buffer]
      if (bytes.length > 6 && bytes.readInt16BE(4) === PRODUCE && resets < RESETS && ++produces % 5 === 0) {
        resets++
        setImmediate(() => socket.destroy(new Error('reset by the test')))
      }
      return written
    }
    return socket
  }
  return { socketFactory, resets: () => resets }
}

test('forty connections reset under way, six partitions side by side: nothing acknowledged is lost, nothing is doubled', async () => {
  const { brokers } = await useKafka()
  const topic = await createTopic(brokers, { topic: uniqueName('resets'), numPartitions: PARTITIONS })
  const { socketFactory, resets } = resettingFactory()
  const producer = ourProducer(brokers, { config: { socketFactory } })

  const acknowledged: string[][] = await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const mine: string[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const values = Array.from({ length: 1 + (round % 5) }, (_, i) => `${partition}-${round}-${i}`)
        const ends = await send(producer, batchOf(topic, partition, values), 30_000)
        expect(ends.filter((end) => !/^\d+$/.test(end))).toEqual([])
        mine.push(...values)
      }
      return mine
    }),
  )
  await producer.close({ timeoutMs: 5_000 })
  expect(resets()).toBe(RESETS)

  const seen = await readTopic(brokers, topic)
  for (const [partition, values] of acknowledged.entries()) {
    expect(seen.filter((record) => record.partition === partition).map(({ value }) => value)).toEqual(values)
  }
  expect(Math.max(...countValues(seen).values())).toBe(1)
})
