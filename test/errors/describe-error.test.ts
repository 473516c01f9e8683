import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeError } from '../../src/errors/index.ts'

describe('describeError says something safe about anything that a handler can throw', () => {
  test.each([
    ['null', null, { name: 'null', message: 'null' }],
    ['undefined', undefined, { name: 'undefined', message: 'undefined' }],
    ['a string', 'card declined', { name: 'string', message: 'card declined' }],
    ['a number', 42, { name: 'number', message: '42' }],
    ['a plain object', { message: 'no', code: 'E_NO' }, { name: 'object', code: 'E_NO', message: 'no' }],
    ['an empty name', { name: '', message: 'x' }, { name: 'object', message: 'x' }],
    ['a message that is no text', { name: 'Odd', message: { a: 1 } }, { name: 'Odd', message: '' }],
  ])('%s', (_, thrown, expected) => {
    expect(describeError(thrown)).toEqual(expected)
  })

  test('getters that throw count as absent', () => {
    const hostile = {
      get name(): string {
        throw new Error('gotcha')
      },
      get message(): string {
        throw new Error('gotcha')
      },
      get stack(): string {
        throw new Error('gotcha')
      },
    }
    expect(describeError(hostile)).toEqual({ name: 'object', message: '' })
  })

  test('a revoked proxy, which throws at any touch', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(describeError(proxy)).toEqual({ name: 'object', message: '' })
  })

  test('a cyclic cause is not followed, and an AggregateError is not expanded', () => {
    const error = new AggregateError(
      Array.from({ length: 10_000 }, () => new Error('x')),
      'many',
    )
    Object.assign(error, { cause: error })
    expect(describeError(error)).toMatchObject({ name: 'AggregateError', message: 'many' })
  })

  test('a megabyte of message and stack is cut, without breaking a character in two', () => {
    const error = new Error('😀'.repeat(500_000))
    const { message, stack } = describeError(error, { maxMessage: 100, maxStack: 200 })
    expect(message.length).toBeLessThanOrEqual(100)
    expect(stack!.length).toBeLessThanOrEqual(200)
    expect(message.isWellFormed()).toBe(true)
  })

  test('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }), (thrown) => {
        const { name, message } = describeError(thrown, { maxMessage: 50 })
        expect(name.length).toBeGreaterThan(0)
        expect(message.length).toBeLessThanOrEqual(50)
      }),
    )
  })
})
