import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { judgeAttempt } from '../../../src/driver/kafkajs/produce-verdict.ts'

interface Answer {
  readonly type: string
  readonly retriable?: boolean
}

const answer = ({ type, retriable = false }: Answer): Error =>
  new kafkajs.KafkaJSProtocolError({ type, code: 1, retriable, message: type } as never)
const exhausted = (error: Error): Error =>
  new kafkajs.KafkaJSNumberOfRetriesExceeded(error, { retryCount: 0, retryTime: 1 })

test.each([
  ['MESSAGE_TOO_LARGE', 'HOLDFAST_RECORD_TOO_LARGE'],
  ['RECORD_LIST_TOO_LARGE', 'HOLDFAST_RECORD_TOO_LARGE'],
  ['INVALID_TIMESTAMP', 'HOLDFAST_REFUSED'],
  ['INVALID_RECORD', 'HOLDFAST_REFUSED'],
  ['TOPIC_AUTHORIZATION_FAILED', 'HOLDFAST_NOT_AUTHORIZED'],
])('%s is refused before the append: definite, and not repeated', (type, code) => {
  expect(judgeAttempt(answer({ type }), true, false)).toEqual({ nothingWritten: true, next: 'stop', code })
})

test.each(['NOT_LEADER_FOR_PARTITION', 'REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'KAFKA_STORAGE_ERROR'])(
  '%s can follow an append: it proves nothing, and is repeated under the same sequence number',
  (type) => {
    const verdict = judgeAttempt(exhausted(answer({ type, retriable: true })), true, false)
    expect(verdict).toEqual({ nothingWritten: false, next: 'repeat', code: 'HOLDFAST_INDETERMINATE' })
  },
)

test('NOT_ENOUGH_REPLICAS comes before the append, and is repeated without a doubt', () => {
  const verdict = judgeAttempt(exhausted(answer({ type: 'NOT_ENOUGH_REPLICAS', retriable: true })), true, false)
  expect(verdict).toEqual({ nothingWritten: true, next: 'repeat', code: 'HOLDFAST_UNAVAILABLE' })
})

test('a lost connection proves nothing once the request was encoded, and everything before', () => {
  const lost = exhausted(
    new kafkajs.KafkaJSConnectionError('Connection error: read ECONNRESET', { broker: 'b:1', code: 'ECONNRESET' }),
  )
  expect(judgeAttempt(lost, true, false)).toMatchObject({ nothingWritten: false, next: 'repeat' })
  expect(judgeAttempt(lost, false, false)).toMatchObject({ nothingWritten: true, next: 'repeat' })
})

test('a missing right is a definite answer to the request, and none when it was found in the refresh after a lost response', () => {
  const denied = answer({ type: 'TOPIC_AUTHORIZATION_FAILED' })
  expect(judgeAttempt(denied, true, false).nothingWritten).toBe(true)
  const wrapped = Object.assign(new kafkajs.KafkaJSNonRetriableError(denied), { cause: denied })
  expect(judgeAttempt(wrapped, true, false)).toMatchObject({ nothingWritten: false, next: 'stop' })
})

test('a sequence number that the broker does not know calls for a new inner producer; in a transaction the epoch ends it', () => {
  for (const type of ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH']) {
    expect(judgeAttempt(answer({ type }), true, false)).toMatchObject({ nothingWritten: true, next: 'renew' })
  }
  expect(judgeAttempt(answer({ type: 'INVALID_PRODUCER_EPOCH' }), false, true).code).toBe('HOLDFAST_FENCED')
  expect(judgeAttempt(answer({ type: 'INVALID_TXN_STATE' }), true, true).code).toBe('HOLDFAST_TRANSACTION_ABORTED')
})

test('what kafkajs never heard of is unknown and not repeated', () => {
  expect(judgeAttempt(new TypeError('x'), true, false)).toMatchObject({ nothingWritten: false, next: 'stop' })
  expect(judgeAttempt(answer({ type: 'DUPLICATE_SEQUENCE_NUMBER' }), true, false)).toMatchObject({
    nothingWritten: false,
    next: 'stop',
  })
})
