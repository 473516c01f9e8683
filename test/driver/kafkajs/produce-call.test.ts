import kafkajs from 'kafkajs'
import type { Message, RecordMetadata } from 'kafkajs'
import { expect, test } from 'vitest'
import type { ProduceBatch } from '../../../src/driver/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import { deadlineIn } from '../../../src/driver/kafkajs/deadline.ts'
import type { InnerProducer } from '../../../src/driver/kafkajs/kafkajs-inner-producer.ts'
import type { BatchResult } from '../../../src/driver/kafkajs/produce-call.ts'
import { produceCall } from '../../../src/driver/kafkajs/produce-call.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'

const batch: ProduceBatch = {
  topic: 'orders',
  partition: 3,
  compression: 'none',
  records: [
    { topic: 'orders', partition: 3, key: null, value: Buffer.from('secret payload'), headers: [], timestamp: 1n },
  ],
}
const written: RecordMetadata[] = [
  { topicName: 'orders', partition: 3, errorCode: 0, baseOffset: '7' } as RecordMetadata,
]

/** What one attempt does; `sends` as kafkajs does when it encodes a request. */
type Attempt = (sends: () => void) => Promise<RecordMetadata[]>

const refuse =
  (type: string, retriable = false): Attempt =>
  async (sends) => {
    sends()
    throw new kafkajs.KafkaJSProtocolError({ type, code: 1, retriable, message: type } as never)
  }
const lose: Attempt = async (sends) => {
  sends()
  throw new kafkajs.KafkaJSConnectionError('Connection error: reset', { broker: 'b:1', code: 'ECONNRESET' })
}
const connectionRefused: Attempt = async () => {
  throw new kafkajs.KafkaJSConnectionError('Connection error: refused', { broker: 'b:1', code: 'ECONNREFUSED' })
}
const accept: Attempt = async (sends) => (sends(), written)

function setup(attempts: readonly Attempt[], options: { readonly partitions?: number } = {}) {
  const runtime = virtualRuntime()
  const begunAt = runtime.clock.monotonic()
  const inners: { retired: boolean }[] = []
  const usedBy: number[] = []
  let tries = 0

  function newInner(): InnerProducer {
    const state = { retired: false }
    inners.push(state)
    return {
      connect: () => Promise.resolve(),
      isConnected: true,
      isCut: false,
      topics: new Set<string>(),
      hold: () => () => undefined,
      retire: () => void (state.retired = true),
      get retired() {
        return state.retired
      },
      gone: Promise.resolve(),
      id: inners.length,
    } as unknown as InnerProducer
  }
  let newest: InnerProducer | undefined

  async function call(timeoutMs = 10_000): Promise<BatchResult> {
    const counts = {
      ask: async () => {
        if (options.partitions === undefined) throw new HoldfastError('HOLDFAST_TOPIC_UNKNOWN', 'gone')
        return options.partitions
      },
    }
    const work = produceCall(
      {
        runtime,
        counts: counts as never,
        inner: () => (newest = newest === undefined || newest.retired ? newInner() : newest),
        send: (inner, { messages }) => {
          usedBy.push((inner as unknown as { id: number }).id)
          const attempt = attempts[Math.min(tries++, attempts.length - 1)]!
          return attempt(() => void (messages[0] as Message).timestamp)
        },
        answerMs: 60_000,
        transactional: false,
      },
      batch,
      deadlineIn(runtime.clock, timeoutMs),
    )
    return runtime.run(work)
  }
  return { call, inners, usedBy, tries: () => tries, elapsedMs: () => runtime.clock.monotonic() - begunAt }
}

const codeOf = (result: BatchResult): string => (result.kind === 'written' ? 'written' : result.error.code)

test('a lost response is repeated on the same inner producer, whose sequence number lets the broker know the repeat', async () => {
  const { call, usedBy } = setup([lose, lose, accept])
  expect(await call()).toEqual({ kind: 'written', baseOffset: 7n })
  expect(usedBy).toEqual([1, 1, 1])
})

test('in doubt a call stays with its inner producer, even when another call has retired it meanwhile', async () => {
  const retireThenLose: Attempt = async (sends) => {
    inners[0]!.retired = true
    return lose(sends)
  }
  const { call, usedBy, inners } = setup([retireThenLose, accept])
  expect(await call()).toEqual({ kind: 'written', baseOffset: 7n })
  expect(usedBy).toEqual([1, 1])
})

test('a refusal on the only attempt is definite, and the inner producer is kept', async () => {
  const { call, inners } = setup([refuse('MESSAGE_TOO_LARGE')])
  const result = await call()
  expect(codeOf(result)).toBe('HOLDFAST_RECORD_TOO_LARGE')
  expect(inners).toEqual([{ retired: false }])
})

test.each(['MESSAGE_TOO_LARGE', 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'TOPIC_AUTHORIZATION_FAILED'])(
  '%s after a lost response proves nothing: the batch is indeterminate and its inner producer retired',
  async (type) => {
    const { call, inners } = setup([lose, refuse(type)])
    const result = await call()
    expect(result.kind).toBe('unknown')
    expect(codeOf(result)).toBe('HOLDFAST_INDETERMINATE')
    expect(inners).toEqual([{ retired: true }])
  },
)

test('a lost sequence without a doubt is mended by a new inner producer, since nothing was written', async () => {
  const { call, usedBy } = setup([refuse('OUT_OF_ORDER_SEQUENCE_NUMBER'), accept])
  expect(await call()).toEqual({ kind: 'written', baseOffset: 7n })
  expect(usedBy).toEqual([1, 2])
})

test('brokers that refuse connections until the delivery timeout leave no doubt', async () => {
  const { call, tries } = setup([connectionRefused])
  const result = await call(5_000)
  expect(result.kind).toBe('not-written')
  expect(codeOf(result)).toBe('HOLDFAST_UNAVAILABLE')
  expect(tries()).toBeGreaterThan(5)
})

test('an answer that never comes is indeterminate at the delivery timeout', async () => {
  const { call } = setup([async (sends) => (sends(), new Promise(() => undefined))])
  expect(codeOf(await call(3_000))).toBe('HOLDFAST_INDETERMINATE')
})

test('a request that kafkajs forgets is indeterminate once kafkajs should have given it up, so that its partition need not wait for the delivery timeout', async () => {
  const forget: Attempt = (sends) => (sends(), new Promise(() => {}))
  const { call, inners, elapsedMs } = setup([forget])
  expect(codeOf(await call(120_000))).toBe('HOLDFAST_INDETERMINATE')
  expect(elapsedMs()).toBeLessThan(70_000)
  expect(inners[0]!.retired).toBe(true)
})

test('what is stuck before it sends goes to a fresh inner producer, and can send no more once it was given up', async () => {
  let lateSend: unknown
  const stuck: Attempt = (sends) =>
    new Promise((_, reject) => {
      lateSend = () => {
        try {
          sends()
        } catch (error) {
          reject(error as Error)
          return 'refused'
        }
        return 'sent'
      }
    })
  const { call, usedBy } = setup([stuck, accept])
  expect(await call(30_000)).toEqual({ kind: 'written', baseOffset: 7n })
  expect(usedBy).toEqual([1, 2])
  expect((lateSend as () => string)()).toBe('refused')
})

test('an empty answer means that kafkajs does not know the partition: definite when it is not there, else asked anew', async () => {
  expect(codeOf(await setup([async () => []], { partitions: 3 }).call())).toBe('HOLDFAST_PARTITION_UNKNOWN')
  expect(codeOf(await setup([async () => []]).call())).toBe('HOLDFAST_TOPIC_UNKNOWN')
  const grown = setup([async () => [], accept], { partitions: 4 })
  expect(codeOf(await grown.call())).toBe('written')
  expect(grown.usedBy).toEqual([1, 2])
})

test.each([
  ['no offset', [{ ...written[0]!, baseOffset: '-1' }]],
  ['another partition', [{ ...written[0]!, partition: 4 }]],
  ['two partitions', [written[0]!, written[0]!]],
])('an answer with %s is no acknowledgement', async (_, answer) => {
  const { call } = setup([async (sends) => (sends(), answer as RecordMetadata[])])
  expect(codeOf(await call())).toBe('HOLDFAST_INDETERMINATE')
})

test('no error quotes the record', async () => {
  for (const attempt of [
    lose,
    refuse('MESSAGE_TOO_LARGE'),
    async () => Promise.reject(new TypeError('Received secret payload')),
  ]) {
    const result = await setup([attempt as Attempt]).call(500)
    expect(result.kind).not.toBe('written')
    expect(
      JSON.stringify(result) +
        String((result as { error: Error }).error) +
        String((result as { error: Error }).error.cause),
    ).not.toContain('secret')
  }
})
