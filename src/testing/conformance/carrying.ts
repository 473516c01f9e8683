import assert from 'node:assert/strict'
import type { Headers } from '../../record/index.ts'
import { assertRefused } from './assertions.ts'
import type { ConformanceCase } from './conformance-case.ts'

const text = (value: string): Uint8Array => Buffer.from(value)
const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i)
const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const readable = (headers: Headers): ReadonlyArray<readonly [string, string | null]> =>
  headers.map(([name, value]) => [name, hex(value)])

// Names that a plain object would swallow, a name three times, a value of no bytes, and one that is no UTF-8.
const trickyHeaders: Headers = [
  ['zulu', text('first')],
  ['__proto__', text('polluted')],
  ['repeated', text('1')],
  ['constructor', text('built')],
  ['empty', text('')],
  ['repeated', text('2')],
  ['toString', everyByte],
  ['hasOwnProperty', text('own')],
  ['repeated', text('1')],
  ['Ünïcode ✓', text('names are text')],
  ['7', text('a number by name')],
  ['', text('no name')],
]

/** What a record is on its way through a driver, out and in: the same bytes. */
export const carrying: readonly ConformanceCase[] = [
  {
    promise: 'carries key and value byte for byte, and tells null from empty: a tombstone is not an empty value',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      const pairs = [
        { key: everyByte, value: everyByte },
        { key: 'k', value: null },
        { key: 'k', value: '' },
        { key: null, value: 'v' },
        { key: '', value: 'v' },
        { key: null, value: null },
      ]
      await stage.write(producer, { topic, partition: 0 }, pairs)
      const all = hex(everyByte)
      assert.deepEqual(
        (await stage.readAll(topic)).map(({ key, value }) => [hex(key), hex(value)]),
        [
          [all, all],
          ['6b', null],
          ['6b', ''],
          [null, '76'],
          ['', '76'],
          [null, null],
        ],
      )
    },
  },
  {
    promise:
      'carries headers in their order: names like __proto__ and constructor, names that repeat, values without bytes',
    claim: ['headerOrder', true],
    async hold(stage) {
      const topic = await stage.world.topic(1)
      await stage.write(await stage.producer(), { topic, partition: 0 }, [{ headers: trickyHeaders }, { headers: [] }])
      const [tricky, none] = await stage.readAll(topic)
      assert.deepEqual(readable(tricky!.headers), readable(trickyHeaders))
      assert.deepEqual(none!.headers, [])
    },
  },
  {
    promise:
      'carries every header, __proto__ and constructor too, and keeps the values of a name that repeats in their order',
    claim: ['headerOrder', false],
    async hold(stage) {
      const topic = await stage.world.topic(1)
      await stage.write(await stage.producer(), { topic, partition: 0 }, [{ headers: trickyHeaders }, { headers: [] }])
      const [tricky, none] = await stage.readAll(topic)
      const byName = (headers: Headers): unknown =>
        readable(headers).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)) // stable: the order within a name stays
      assert.deepEqual(byName(tricky!.headers), byName(trickyHeaders))
      assert.deepEqual(none!.headers, [])
    },
  },
  {
    promise: 'tells a header without a value from one with an empty value',
    claim: ['nullHeaderValue', true],
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const headers: Headers = [
        ['none', null],
        ['empty', text('')],
      ]
      await stage.write(await stage.producer(), { topic, partition: 0 }, [{ headers }])
      const [record] = await stage.readAll(topic)
      assert.deepEqual(readable(record!.headers), readable(headers))
    },
  },
  {
    promise:
      'refuses a header without a value, which it cannot write, instead of changing it; nothing of the batch is written',
    claim: ['nullHeaderValue', false],
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      assertRefused(
        await stage.attempt(producer, { topic, partition: 0 }, [{ value: 'good' }, { headers: [['none', null]] }]),
      )
      assert.deepEqual(await stage.write(producer, { topic, partition: 0 }, [{ value: 'next' }]), [0n])
    },
  },
  {
    promise: 'carries the timestamp of each record, whatever their order and however many digits they have',
    async hold(stage) {
      const topic = await stage.world.topic(1, { 'retention.ms': '-1' })
      const timestamps = [1_760_000_000_123n, 999n, 0n, 1_760_000_000_001n, 10_000n]
      await stage.write(
        await stage.producer(),
        { topic, partition: 0 },
        timestamps.map((timestamp) => ({ timestamp })),
      )
      assert.deepEqual(
        (await stage.readAll(topic)).map(({ timestamp }) => timestamp),
        timestamps,
      )
    },
  },
]
