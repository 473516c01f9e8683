import { expect, test } from 'vitest'
import * as mini from 'zod/mini'
import { z } from 'zod'
import { z as z3 } from 'zod/v3'
import type { StandardSchema } from '../../src/topic/index.ts'
import type { Validation } from '../../src/topic/validate.ts'
import { validate } from '../../src/topic/validate.ts'

type Validating = Validation<unknown> | Promise<Validation<unknown>>
const validating = (schema: unknown, value: unknown): Validating =>
  validate({ schema: schema as StandardSchema<unknown, unknown> }, value)

let calls = 0
const down = async (): Promise<never> => {
  calls++
  await Promise.resolve()
  throw new Error('the registry is out')
}
const order = z.object({ id: z.string() })

// An unhandled rejection ends the process, and this run of the tests with it.
test.each<[string, unknown, unknown]>([
  ['refine', order.refine(down), { id: 'a' }],
  ['superRefine', order.superRefine(down), { id: 'a' }],
  ['check', order.check(down), { id: 'a' }],
  ['transform', order.transform(down), { id: 'a' }],
  ['preprocess', z.preprocess(down, order), { id: 'a' }],
  ['of zod/mini', mini.object({ id: mini.string().check(mini.refine(down)) }), { id: 'a' }],
  ['deep inside', z.array(z.record(z.string(), z.tuple([z.string().refine(down)]))), [{ a: ['b'] }]],
  ['by a function that is not declared async', order.refine(() => down()), { id: 'a' }],
])(
  'a check of zod that rejects ends no process, is told as one that failed, and is called once: %s',
  async (_, schema, value) => {
    calls = 0
    const first = validating(schema, value)
    expect(first).toBeInstanceOf(Promise)
    expect(await first).toMatchObject({ kind: 'broken' })
    expect(calls).toBe(1)
    expect(await validating(schema, value)).toMatchObject({ kind: 'broken' })
    expect(calls).toBe(2)
  },
)

interface Tree {
  readonly name: string
  readonly kind?: Tree | undefined
}
const tree: z.ZodType<Tree> = z.object({
  name: z.string().refine(async (name) => name !== 'x' || down()),
  get kind() {
    return z.optional(tree)
  },
})

test.each<[string, unknown, unknown, unknown]>([
  [
    'of another variant',
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('made') }),
      z.object({ type: z.literal('gone') }).refine(down),
    ]),
    { type: 'made' },
    { type: 'gone' },
  ],
  ['of a field that may be missing', z.object({ note: z.string().refine(down).optional() }), {}, { note: 'n' }],
  ['behind z.lazy', z.object({ next: z.lazy(() => z.string().refine(down)).optional() }), {}, { next: 'n' }],
])(
  'values that do not reach an async check of zod do not make it be tried synchronously: %s',
  async (_, schema, plain, checked) => {
    for (let i = 0; i < 3; i++) expect(await validating(schema, plain)).toEqual({ kind: 'valid', value: plain })
    calls = 0
    expect(await validating(schema, checked)).toMatchObject({ kind: 'broken' })
    expect(calls).toBe(1)
  },
)

test('an async check in a schema that holds itself is found, and the looking ends', async () => {
  expect(await validating(tree, { name: 'a', kind: { name: 'b' } })).toMatchObject({ kind: 'valid' })
  calls = 0
  expect(await validating(tree, { name: 'a', kind: { name: 'x' } })).toMatchObject({ kind: 'broken' })
  expect(calls).toBe(1)
})

test('a schema of zod without a promise answers at once, from its first value on', () => {
  const schema = order.refine(({ id }) => id !== 'b').transform(({ id }) => id)
  for (let i = 0; i < 3; i++) {
    expect(validating(schema, { id: 'b' })).toMatchObject({ kind: 'invalid' })
    expect(validating(schema, { id: 'a' })).toEqual({ kind: 'valid', value: 'a' })
  }
})

test('a check of zod that throws at once is told at once: it would do so every time, and is not an outage', () => {
  const throws = order.transform(({ id }) => {
    if (id === 'poison') throw new TypeError('x')
    return id
  })
  expect(validating(throws, { id: 'poison' })).toMatchObject({ kind: 'broken' })
  expect(validating(throws, { id: 'a' })).toEqual({ kind: 'valid', value: 'a' })
  expect(validating(throws, { id: 'poison' })).toMatchObject({ kind: 'broken' })
})

test('a promise that comes only with a later value is waited for, and from then on nothing is tried synchronously', async () => {
  calls = 0
  const schema = order.transform(({ id }) => (id === 'a' ? id : (calls++, Promise.resolve(`later ${id}`))))
  expect(validating(schema, { id: 'a' })).toEqual({ kind: 'valid', value: 'a' })
  expect(await validating(schema, { id: 'b' })).toEqual({ kind: 'valid', value: 'later b' })
  calls = 0
  expect(await validating(schema, { id: 'b' })).toEqual({ kind: 'valid', value: 'later b' })
  expect(calls).toBe(1)
})

test('looking at a schema makes none of its defaults', () => {
  let made = 0
  const schema = z.object({ id: z.string().default(() => `id-${++made}`) })
  expect(validating(schema, { id: 'a' })).toMatchObject({ kind: 'valid' })
  expect(made).toBe(0)
})

test('a check of zod 3 that throws at once is told at once, one that rejects is waited for', async () => {
  const throws = z3.string().transform((text) => {
    if (text === 'poison') throw new TypeError('x')
    return text.length
  })
  expect(validating(throws, 'poison')).toMatchObject({ kind: 'broken' })
  expect(validating(throws, 'four')).toEqual({ kind: 'valid', value: 4 })
  expect(validating(throws, 7)).toMatchObject({ kind: 'invalid' })
  let isOut = false
  const rejects = z3.string().refine(async () => isOut && down())
  for (const value of ['a', 'b']) expect(await validating(rejects, value)).toMatchObject({ kind: 'invalid' })
  isOut = true
  calls = 0
  expect(await validating(rejects, 'c')).toMatchObject({ kind: 'broken' })
  expect(calls).toBe(1)
})

const cases: readonly [unknown, readonly unknown[]][] = [
  [order, [{ id: 'a' }, { id: 1 }, {}, null, { id: 'a', more: 1 }]],
  [z.strictObject({ a: z.int().min(3), b: z.email() }), [{ a: 4, b: 'a@b.ch' }, { a: 1, b: 'x', c: 1 }, []]],
  [z.union([z.string(), z.object({ deep: z.array(z.number()) })]), ['a', 7, { deep: [1, 'x'] }]],
  [z.string().refine((text) => text.length < 3, { path: ['a', 0] }), ['ab', 'abcd']],
  [z.string().refine(async (text) => text.length < 3), ['ab', 'abcd']],
  [z.coerce.date().optional(), ['2020-01-01', 'no']],
  [z.stringbool(), ['yes', 'maybe']],
  [z3.object({ a: z3.number().min(3) }).strict(), [{ a: 4 }, { a: 1, b: 2 }, null]],
]
test('law: what is said of a value is what zod says through its own Standard Schema, twice', async () => {
  for (const [schema, values] of cases) {
    const own = { '~standard': (schema as StandardSchema)['~standard'] } // not recognised as zod's
    for (const value of [...values, ...values])
      expect(await validating(schema, value)).toEqual(await validating(own, value))
  }
})
