import { expect, test } from 'vitest'
import { knexQuery } from '../../src/database/index.ts'
import { inOrder } from '../../src/database/in-order.ts'

test('cuts a statement at its placeholders alone, and gives each its value, however often it is named', () => {
  const { parts, values } = inOrder(
    `select $2, $1, $2 from "a""$1" where x = 'it''s $2' and y = $10`,
    'abcdefghij'.split(''),
  )
  expect(parts).toEqual(['select ', ', ', ', ', ` from "a""$1" where x = 'it''s $2' and y = `, ''])
  expect(values).toEqual(['b', 'a', 'b', 'j'])
})

test('a question mark in a name is no placeholder of Knex', async () => {
  const seen: unknown[] = []
  const raw = async (...given: unknown[]): Promise<unknown[]> => (seen.push(given), [])
  await knexQuery({ raw } as never)('select $1 from "a??b"', [7])
  expect(seen).toEqual([['select ? from "a\\?\\?b"', [7]]])
})
