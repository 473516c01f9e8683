import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Link } from '../../src/consumer/chain.ts'
import { createChain } from '../../src/consumer/chain.ts'

interface Item extends Link<Item> {
  readonly name: number
}

const items = (count: number): Item[] =>
  Array.from({ length: count }, (_, name) => ({ name, earlier: null, later: null, chained: false }))

test('law: a chain is a Set, whatever is added and deleted in whatever order', () => {
  const commands = fc.array(fc.tuple(fc.constantFrom('add', 'delete', 'clear'), fc.nat({ max: 7 })), { maxLength: 60 })
  fc.assert(
    fc.property(commands, (all) => {
      const chain = createChain<Item>()
      const set = new Set<Item>()
      const some = items(8)
      for (const [command, i] of all) {
        const item = some[i]!
        if (command === 'clear' && i < 2) {
          chain.clear()
          set.clear()
        } else if (command !== 'clear') {
          chain[command as 'add' | 'delete'](item)
          set[command as 'add' | 'delete'](item)
        }
        expect([...chain].map(({ name }) => name)).toEqual([...set].map(({ name }) => name))
        expect(chain.size).toBe(set.size)
        expect(chain.first).toBe([...set][0] ?? null)
      }
    }),
  )
})

test('what has left points to nothing: an old one would keep all that came after it in memory', () => {
  const chain = createChain<Item>()
  const [a, b, c] = items(3) as [Item, Item, Item]
  for (const each of [a, b, c]) chain.add(each)
  chain.delete(b)
  expect([b.earlier, b.later, b.chained]).toEqual([null, null, false])
  for (const each of chain) chain.delete(each) // what is looked at may leave
  expect([chain.size, chain.first, a.later, c.earlier]).toEqual([0, null, null, null])
})
