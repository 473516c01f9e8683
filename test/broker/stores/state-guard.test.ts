import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import { onlyFrom, postgresStateGuard } from '../../../src/postgres.ts'
import { fresh, startStores } from './world.ts'

const LIFECYCLE = {
  CREATED: ['PAID', 'CANCELLED'],
  PAID: ['SHIPPED', 'REFUNDED'],
  SHIPPED: ['REFUNDED'],
  REFUNDED: [],
  CANCELLED: [],
} as const

let services: Services
let pool: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  pool = new pg.Pool({ connectionString: services.postgres!.url })
})
afterAll(async () => {
  await pool?.end()
  await services.close()
})

async function orders(type = 'text') {
  const table = fresh('orders')
  if (type !== 'text')
    await pool.query(`create type ${table}_state as enum ('CREATED','PAID','SHIPPED','REFUNDED','CANCELLED')`)
  await pool.query(`create table ${table} (id text primary key, state ${type === 'text' ? type : `${table}_state`})`)
  await pool.query(`insert into ${table} values ('o-1', 'CREATED')`)
  const guard = postgresStateGuard({ table, lifecycle: LIFECYCLE })
  const stateOf = async (): Promise<string> => (await pool.query(`select state from ${table}`)).rows[0].state
  return { guard, stateOf }
}

test.each(['text', 'enum'])('a move happens once, and says what it found else (state is %s)', async (type) => {
  const { guard, stateOf } = await orders(type)
  expect(await guard.move(pool, 'o-1', 'SHIPPED', onlyFrom('PAID'))).toEqual({ kind: 'refused', state: 'CREATED' })
  expect(await guard.move(pool, 'o-1', 'PAID', onlyFrom('CREATED'))).toEqual({ kind: 'moved', from: 'CREATED' })
  expect(await guard.move(pool, 'o-1', 'PAID', onlyFrom('CREATED'))).toEqual({ kind: 'already' })
  expect(await guard.move(pool, 'o-1', 'REFUNDED')).toEqual({ kind: 'moved', from: 'PAID' })
  expect(await guard.move(pool, 'o-1', 'PAID')).toEqual({ kind: 'passed', state: 'REFUNDED' })
  expect(await guard.move(pool, 'o-1', 'CANCELLED')).toEqual({ kind: 'refused', state: 'REFUNDED' })
  expect(await guard.move(pool, 'o-2', 'PAID')).toEqual({ kind: 'missing' })
  expect(await stateOf()).toBe('REFUNDED')
})

test('of many at the same moment one moves it, and the others see where it is then', async () => {
  const { guard, stateOf } = await orders()
  const moves = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      guard.move(pool, 'o-1', i % 2 === 0 ? 'PAID' : 'CANCELLED', onlyFrom('CREATED')),
    ),
  )
  const winner = await stateOf()
  const kinds = moves.map(({ kind }) => kind).toSorted()
  expect(kinds.filter((kind) => kind === 'moved')).toHaveLength(1)
  expect(kinds.filter((kind) => kind === 'already')).toHaveLength(9)
  expect(kinds.filter((kind) => kind === 'refused')).toHaveLength(10)
  expect(['PAID', 'CANCELLED']).toContain(winner)
})

test('within a transaction the move is undone with it', async () => {
  const { guard, stateOf } = await orders()
  const client = await pool.connect()
  await client.query('begin')
  expect((await guard.move(client, 'o-1', 'PAID')).kind).toBe('moved')
  await client.query('rollback')
  client.release()
  expect(await stateOf()).toBe('CREATED')
})

test('a move that the lifecycle does not have, and a lifecycle that leads nowhere, are refused before anything is asked', async () => {
  const { guard } = await orders()
  await expect(guard.move(pool, 'o-1', 'SHIPPED', onlyFrom('CREATED'))).rejects.toThrow('CREATED may not go to SHIPPED')
  await expect(guard.move(pool, 'o-1', 'CREATED')).rejects.toThrow('nothing leads to CREATED')
  const make = (): unknown =>
    postgresStateGuard({ table: '', lifecycle: { A: ['B' as 'A'], C: 5 as never }, states: 1 } as never)
  expect(make).toThrow(
    /table: .*\n.*lifecycle\.A: leads to a state.*\n.*lifecycle\.C: must list.*\n.*states: is not an option/,
  )
})
