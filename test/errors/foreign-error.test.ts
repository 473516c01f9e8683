import { expect, test } from 'vitest'
import { describeForeignError, describeForLog, errorTypeOf, HoldfastError } from '../../src/errors/index.ts'

test('of what a user’s function threw a log line has class, line and code, and never the message or the stack that repeats it', () => {
  const error = Object.assign(new TypeError('card 4111-1111\nat 4111-1111 (x.ts:1:1)'), { code: 'E_CARD' })
  const logged = describeForLog(error)
  expect(logged).toEqual({
    thrown: expect.stringMatching(/^TypeError at foreign-error\.test\.ts:\d+:\d+$/),
    code: 'E_CARD',
  })
  expect(JSON.stringify(logged)).not.toContain('4111')
})

test('of an error of ours a log line has all: it names places and never values', () => {
  const error = new HoldfastError('HOLDFAST_UNAVAILABLE', 'asking the cluster failed: NOT_COORDINATOR')
  expect(describeForLog(error)).toMatchObject({ code: error.code, message: error.message })
})

test.each<[unknown, string]>([
  ['card 4111-1111', 'string'],
  [null, 'null'],
  [{ name: 'card 4111-1111' }, 'something'],
  [{ name: 'Odd', message: 'card 4111-1111', stack: 'Odd: another message\n at card 4111-1111' }, 'Odd'],
])('what is no error, or lies about itself, is told by its kind alone: %j', (thrown, kind) => {
  expect(describeForeignError(thrown)).toBe(kind)
  expect(describeForLog(thrown)).toEqual({ thrown: kind })
})

test.each<[{ name: string; code?: string }, string]>([
  [{ name: 'Error', code: 'ECONNREFUSED' }, 'ECONNREFUSED'],
  [{ name: 'DatabaseError', code: '42P01' }, '42P01'],
  [{ name: 'Error', code: '-32000' }, '-32000'],
  [{ name: 'FirebaseError', code: 'auth/user-disabled' }, 'auth/user-disabled'],
  [{ name: 'Error', code: 'no such card: 4111-1111' }, 'Error'],
  [{ name: 'Error', code: '4111-1111-1111-1111' }, 'Error'],
  [{ name: 'Error', code: 'E\r\nlevel=info msg=forged' }, 'Error'],
  [{ name: 'Error\u001b[31m', code: '' }, 'something'],
  [{ name: 'E'.repeat(100) }, 'something'],
])(
  'the kind of an error is its code or its class where that is a word, since either may hold anything: %j',
  (error, kind) => {
    expect(errorTypeOf(error)).toBe(kind)
  },
)
