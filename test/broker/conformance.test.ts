import { describe, expect, test } from 'vitest'
import { conformanceColumns, renderTable, tableInPage } from '../../scripts/conformance/index.ts'
import { useKafka } from '../helpers/services.ts'

const columns = conformanceColumns({
  inMemory: { describe, test },
  kafkajs: { describe, test: test.concurrent }, // each has topics and groups of its own
  brokers: async () => (await useKafka()).brokers,
})

test('the table in docs/drivers.md says what this run gives, so that nobody reads an old one', async () => {
  const without = columns.flatMap(({ name, results }) =>
    results
      .filter(({ outcome }) => outcome.kind === 'open' || outcome.kind === 'broken')
      .map(({ promise }) => `${name}: ${promise}`),
  )
  expect(without, 'a table is compared once every promise is kept').toEqual([])
  expect(tableInPage(), '`npm run conformance` writes the table').toBe(await renderTable(columns))
})
