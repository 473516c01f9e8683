import { type } from 'arktype'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { HoldfastError } from '../../src/errors/index.ts'
import { bytes, deadLetterTopicName, defineTopic, json, topicNameProblems } from '../../src/topic/index.ts'

const schema = z.object({ id: z.string() })

/** Defines what types would refuse. */
function problemsOf(definition: unknown): readonly string[] {
  try {
    defineTopic(definition as never)
    return []
  } catch (error) {
    if (!HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID')) throw error
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
}

test.each([
  ['', 'must not be empty'],
  ['.', 'must not be "." or ".."'],
  ['..', 'must not be "." or ".."'],
  ['a b', 'may have only the characters a-z A-Z 0-9 . _ -'],
  ['a/b', 'may have only the characters a-z A-Z 0-9 . _ -'],
  ['é', 'may have only the characters a-z A-Z 0-9 . _ -'],
  ['a\n', 'may have only the characters a-z A-Z 0-9 . _ -'],
  ['__consumer_offsets', 'must not begin with "__": such topics belong to the broker'],
  ['a'.repeat(246), 'has 246 characters; at most 245 fit, so that ".dlq" can be appended'],
])('refuses %j as a name before any broker does', (name, problem) => {
  expect(problemsOf({ name, schema, key: 'none' })).toEqual([`name: ${problem}`])
})

test('takes a name with which .dlq still fits into the 249 characters of a broker, and a dead letter topic of full length', () => {
  const longest = 'a'.repeat(245)
  expect(problemsOf({ name: longest, schema })).toEqual([])
  expect(problemsOf({ name: deadLetterTopicName(longest), schema })).toEqual([])
  expect(topicNameProblems('a'.repeat(250))).toEqual(['has 250 characters; at most 249 fit'])
})

test('reports every problem of a definition at once, so that it is mended in one go', () => {
  expect(problemsOf({ name: 'a b', schema: {}, codec: {}, key: 5, keys: 'id' })).toEqual([
    'name: may have only the characters a-z A-Z 0-9 . _ -',
    'schema: must be a Standard Schema: a validator of zod 3.24+, valibot 1+, arktype 2+ or another with "~standard"',
    'codec: must have contentType, encode and decode',
    "key: must be a function of the value, or 'none' where order does not matter",
    'keys: is not an option',
  ])
})

test.each([
  [undefined, '(definition): must be an object'],
  [{ name: 5, schema }, 'name: must be text, not number'],
  [
    { name: 'a', schema: { '~standard': { version: 2, validate() {} } } },
    'schema: must be a Standard Schema of version 1',
  ],
  [{ name: 'a', schema: { '~standard': { version: 1 } } }, 'schema: has a "~standard" without validate'],
  [{ name: 'a', codec: json() }, 'schema: is missing; only a codec of a known type, such as bytes(), goes without'],
])('refuses the definition %j', (definition, problem) => {
  expect(problemsOf(definition)).toEqual([problem])
})

test('takes the validators of zod, valibot and arktype, whose are functions, and bytes without one', () => {
  expect(problemsOf({ name: 'a', schema })).toEqual([])
  expect(problemsOf({ name: 'a', schema: v.object({ id: v.string() }) })).toEqual([])
  expect(problemsOf({ name: 'a', schema: type({ id: 'string' }) })).toEqual([])
  expect(problemsOf({ name: 'a', codec: bytes(), key: 'none' })).toEqual([])
})

test('a topic cannot be changed once it is defined, since producers and consumers share it', () => {
  const topic = defineTopic({ name: 'a', schema, key: (event) => event.id })
  expect(Object.isFrozen(topic)).toBe(true)
  expect(Object.keys(topic)).toEqual(['name', 'schema', 'codec', 'key'])
})
