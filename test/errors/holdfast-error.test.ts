import { expect, test } from 'vitest'
import { HoldfastError } from '../../src/errors/index.ts'

test('is told apart by its code, and keeps its cause', () => {
  const cause = new Error('socket hang up')
  const error = new HoldfastError('HOLDFAST_UNAVAILABLE', 'no broker answers', { cause, retriable: true })
  expect(HoldfastError.is(error)).toBe(true)
  expect(HoldfastError.is(error, 'HOLDFAST_UNAVAILABLE')).toBe(true)
  expect(HoldfastError.is(error, 'HOLDFAST_FENCED')).toBe(false)
  expect(HoldfastError.is(cause)).toBe(false)
  expect(error).toMatchObject({ cause, retriable: true, problems: [] })
})

test('lists every problem in its message, so that one run shows all that is wrong', () => {
  const problems = [
    { path: 'retry.maxAttempts', message: 'must be 1 or more' },
    { path: 'groupId', message: 'must not be empty' },
  ]
  const error = new HoldfastError('HOLDFAST_CONFIG_INVALID', 'createConsumer: 2 problems', { problems })
  expect(error.message).toBe(
    'createConsumer: 2 problems\n  - retry.maxAttempts: must be 1 or more\n  - groupId: must not be empty',
  )
  expect(error.problems).toEqual(problems)
})

test('an error of another installed copy of the package is recognised', () => {
  const foreign = Object.assign(new Error('x'), { code: 'HOLDFAST_FENCED', [Symbol.for('holdfast.error')]: true })
  expect(HoldfastError.is(foreign, 'HOLDFAST_FENCED')).toBe(true)
})

test('a proxy that throws whatever is asked of it is none of ours, and asking is safe', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  expect(HoldfastError.is(proxy)).toBe(false)
})

test('the brand does not show where errors are printed', () => {
  expect(Object.keys(new HoldfastError('HOLDFAST_CLOSED', 'closed'))).toEqual(['name', 'code', 'retriable', 'problems'])
})
