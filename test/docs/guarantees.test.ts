import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SCENARIOS } from '../chaos/scenarios/index.ts'
import { mutants } from '../simulation/mutants/index.ts'

const rows = readFileSync('docs/guarantees.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| **'))
  .map((line) => line.split('|').map((cell) => cell.trim()))

const quoted = (cell: string): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

test('every mutant, test and fault that a guarantee names is there, so that the page tells the truth', () => {
  expect(rows.length).toBeGreaterThan(8)
  const known = new Set([...mutants, ...SCENARIOS].map(({ name }) => name))
  const named = rows.flatMap(([, , mutantCell, brokerCell]) => [...quoted(mutantCell!), ...quoted(brokerCell!)])
  const missing = named.filter((name) => !(name.startsWith('test/') ? existsSync(name) : known.has(name)))
  expect(missing).toEqual([])
})

test('every guarantee names something that finds out when its code is gone', () => {
  expect(rows.filter((cells) => quoted(cells.slice(2).join(' ')).length === 0)).toEqual([])
})
