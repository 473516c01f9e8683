import { expect, onTestFinished, test } from 'vitest'
import { createConsumer } from '../../../src/consumer/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import type { InboundRecord } from '../../../src/record/index.ts'
import { bytes, defineTopic } from '../../../src/topic/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { uniqueName } from '../../helpers/services.ts'
import { TIMING } from '../consumer/shop-topic.ts'
import { canariesIn, sendEntries } from './index.ts'
import type { SendEntry } from './sends.ts'
import { anyTopic } from './sends.ts'
import { committedUpTo, openWorld } from './world.ts'

test('what does not fit is refused before anything is written, by a code and places and no payload; what is odd but data is on the log byte for byte', async () => {
  const world = await openWorld()
  const { name: topicName } = world.topic
  const producer = createProducer({ driver: world.driver, deliveryTimeoutMs: 5_000 })
  onTestFinished(() => void producer.close())
  const ends: unknown[] = []
  let logEnd = 0n
  const sentAt = new Map<bigint, SendEntry>()
  for (const entry of sendEntries) {
    const { name, value, key = () => 'k', options, topic } = entry
    const before = logEnd
    const given = { ...anyTopic(topicName, key), ...topic }
    const end: unknown = await producer.send(given, value, options).catch((error: unknown) => error)
    logEnd = await world.endOf(topicName)
    const written = logEnd - before
    if (!(end instanceof Error)) {
      sentAt.set(before, entry)
      ends.push({ name, end: 'sent', written, shown: [] })
    } else {
      const is = HoldfastError.is(end)
      const paths = is && end.problems.length > 0 ? end.problems.map(({ path }) => path).toSorted() : undefined
      ends.push({ name, end: is ? end.code : end, paths, written, shown: canariesIn(end) })
    }
  }
  expect(ends).toEqual(
    sendEntries.map(({ name, expected }) => {
      if (expected.kind === 'sent') return { name, end: 'sent', written: 1n, shown: [] }
      const paths = expected.paths?.toSorted()
      return { name, end: expected.code, paths, written: 0n, shown: [] }
    }),
  )
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()

  const read = new Map<bigint, InboundRecord>()
  const raw = defineTopic({ name: topicName, codec: bytes() })
  const reader = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING }).on(
    raw,
    (_, { record }) => void read.set(record.offset, record),
  )
  onTestFinished(() => reader.close())
  const done = committedUpTo(reader, logEnd)
  await reader.start()
  await done
  expect([...read].map(([offset, record]) => onTheLog(sentAt.get(offset)!.name, record))).toEqual(
    [...sentAt.values()].map(expectedOnTheLog),
  )
})

test('topics whose names are those of every object are written, and refused for reading: kafkajs keeps what it reads in plain objects', async () => {
  const world = await openWorld()
  const inherited = ['constructor', 'toString', 'hasOwnProperty', 'valueOf']
  const names = [...inherited, 'then', 'length', '0']
  const all = [...names, ...names.map((name) => `${name}.dlq`)]
  const there = await world.admin.partitionCounts(all)
  const missing = all.filter((name) => !there.has(name))
  await world.admin.createTopics(missing.map((topic) => ({ topic, partitions: 1 })))
  const run = uniqueName('run')
  const topics = names.map((name) => anyTopic(name, () => run))
  const producer = createProducer({ driver: world.driver })
  const results = await Promise.all(topics.map((topic) => producer.send(topic, run)))
  await producer.close()
  expect(results.map(({ partition }) => partition)).toEqual(names.map(() => 0))

  for (const topic of topics.slice(0, inherited.length)) {
    const consumer = createConsumer({ driver: world.driver, groupId: uniqueName('refused') }).on(topic, () => {})
    const { code, message } = await failureOf(consumer.start())
    expect([code, message]).toEqual(['HOLDFAST_UNSUPPORTED', expect.stringContaining(topic.name)])
  }
  const seen = new Set<string>()
  const consumer = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING })
  onTestFinished(() => consumer.close())
  const read = new Promise<void>((resolve) => {
    for (const topic of topics.slice(inherited.length)) {
      consumer.on(topic, ({ value }) => {
        if (value === run) seen.add(topic.name)
        if (seen.size === names.length - inherited.length) resolve()
      })
    }
  })
  await consumer.start()
  await read
  expect([...seen].toSorted()).toEqual(['0', 'length', 'then'])
})

const OURS = new Set(['holdfast-id', 'holdfast-source', 'holdfast-time', 'content-type'])
const hexOf = (given: Uint8Array | null): string | null => (given === null ? null : Buffer.from(given).toString('hex'))
const bytesOf = (given: string | Uint8Array | null): Uint8Array | null =>
  typeof given === 'string' ? Buffer.from(given, 'utf8') : given

function onTheLog(name: string, { key, value, headers }: InboundRecord): unknown {
  const theirs = headers.filter(([each]) => !OURS.has(each)).map(([each, bytesGiven]) => [each, hexOf(bytesGiven)])
  return { name, key: hexOf(key), value: hexOf(value), headers: theirs }
}

function expectedOnTheLog({ name, key = () => 'k', value, options, expected }: SendEntry): unknown {
  const text = expected.kind === 'sent' ? (expected.text ?? JSON.stringify(value)) : ''
  const headers = (options?.headers ?? []) as readonly (readonly [string, string | Uint8Array | null])[]
  return {
    name,
    key: hexOf(bytesOf(key() as string | Uint8Array)),
    value: hexOf(bytesOf(text)),
    headers: headers.map(([each, given]) => [each, hexOf(bytesOf(given))]),
  }
}
