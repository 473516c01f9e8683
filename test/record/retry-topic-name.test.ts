import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeGroupId, retryTopicName, sourceOfRetryTopic } from '../../src/record/index.ts'

const groupIds = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc.string({ unit: fc.constantFrom('a', '_', 'x', '5', 'F', '/', '.', 'é'), minLength: 1 }),
)

test('a retry topic names its topic, its group and how long records wait', () => {
  expect(retryTopicName('orders', 'billing.v2', '5s')).toBe('orders.billing.v2.retry.5s')
  expect(retryTopicName('orders', 'shop/billing é', '0')).toBe('orders.shop_x2Fbilling_x20_xC3_xA9.retry.0')
})

test('the source is read back for the group that the name was made for, and for no other', () => {
  expect(sourceOfRetryTopic('a.b.c.retry.5s', 'c')).toBe('a.b')
  expect(sourceOfRetryTopic('a.b.c.retry.5s', 'b.c')).toBe('a')
  expect(sourceOfRetryTopic('a.b.c.retry.5s', 'other')).toBeUndefined()
  expect(sourceOfRetryTopic('orders', 'c')).toBeUndefined()
  expect(sourceOfRetryTopic('.c.retry.5s', 'c')).toBeUndefined()
  expect(sourceOfRetryTopic('orders.c.retry.5s.dlq', 'c'), 'the dead letters of a retry topic').toBeUndefined()
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9._-]+$/), groupIds, (topic, groupId) => {
      expect(sourceOfRetryTopic(retryTopicName(topic, groupId, '30s'), groupId)).toBe(topic)
    }),
  )
})

test('two groups never share an encoding, so that neither reads the failures of the other', () => {
  expect(encodeGroupId('a_x2Fb')).toBe('a_x5Fx2Fb')
  fc.assert(
    fc.property(groupIds, groupIds, (one, other) => {
      expect(encodeGroupId(one) === encodeGroupId(other)).toBe(one === other)
      expect(encodeGroupId(one)).toMatch(/^[a-zA-Z0-9._-]+$/)
    }),
  )
})
