import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { pageWith, renderTable, TABLE_PAGE, tableInPage } from '../../scripts/conformance/index.ts'
import { inMemoryDriver } from '../../src/testing/index.ts'
import type { ConformanceOutcome } from '../../src/testing/index.ts'

const { capabilities } = inMemoryDriver()

function column(name: string, outcomes: readonly ConformanceOutcome[]) {
  const results = outcomes.map((outcome, i) => ({
    subject: i === 0 ? 'reading' : 'writing',
    promise: `keeps __all__ | ${i}`,
    outcome,
  }))
  return { name, version: `${name} 1.0`, capabilities, results }
}

const kept: ConformanceOutcome = { kind: 'kept' }

test('a table has a row for each promise under its subject, and says for every driver what became of it', async () => {
  const table = await renderTable([
    column('one', [kept, { kind: 'broken', error: new Error('secret') }, { kind: 'open' }]),
    column('two', [
      { kind: 'otherwise', flag: 'revoke', claimed: false },
      { kind: 'otherwise', flag: 'revoke', claimed: true },
      { kind: 'untestable', reason: 'nobody can' },
    ]),
  ])
  const cells = table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replace(/\s+/g, ' '))
  expect(cells).toContain('| `revoke` | before | before |')
  expect(cells.slice(-6)).toEqual([
    expect.stringMatching(/^\| -+ \| -+ \| -+ \|$/),
    '| **reading** | | |',
    '| keeps \\_\\_all\\_\\_ \\| 0 | ✓ | not claimed: `revoke` |',
    '| **writing** | | |',
    '| keeps \\_\\_all\\_\\_ \\| 1 | **broken** | claims more: `revoke` |',
    '| keeps \\_\\_all\\_\\_ \\| 2 | **not run** | not testable here |',
  ])
  expect(table).toContain('one 1.0; two 1.0.')
  expect(table).toContain('for nobody can.')
  expect(table).not.toContain('secret')
})

test('drivers that did not go through the same suite make no table, since their rows would not fit', async () => {
  await expect(renderTable([column('one', [kept]), column('two', [kept, kept])])).rejects.toThrow('same suite')
  await expect(renderTable([])).rejects.toThrow('same suite')
})

test('a table replaces the one in the page and nothing else, so that writing it again changes nothing', () => {
  const page = readFileSync(TABLE_PAGE, 'utf8')
  expect(pageWith(tableInPage())).toBe(page)
  expect(pageWith('<another table>').replace('<another table>', () => tableInPage())).toBe(page)
})
