import { expect, test } from 'vitest'
import { patiently } from './patiently.ts'

test('an answer that fails while leaders move is asked for again; one that keeps failing is told', async () => {
  let asked = 0
  const moved = async (): Promise<number> => {
    asked += 1
    if (asked === 1) throw new Error('not the leader')
    return asked
  }
  expect(await patiently(moved)).toBe(2)
  const broken = async (): Promise<never> => {
    throw new Error('never the leader')
  }
  await expect(patiently(broken, -1)).rejects.toThrow('never the leader')
})
