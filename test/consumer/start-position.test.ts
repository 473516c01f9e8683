import { expect, test } from 'vitest'
import type { FreshTopics } from '../../src/consumer/start-position.ts'
import { startPositions } from '../../src/consumer/start-position.ts'
import type { DriverAdmin } from '../../src/driver/index.ts'

const admin = {
  offsetRanges: async () => [{ partition: 0, earliest: 3n, latest: 9n }],
} as unknown as DriverAdmin

test('a partition that was begun at latest and has no commit any more was made anew: it starts at its first record', async () => {
  const fresh: FreshTopics = { partitionCounts: new Map([['orders', 1]]), begun: new Set() }
  const partition = { topic: 'orders', partition: 0, epoch: 1, committed: null }
  expect(await startPositions([partition], 'latest', fresh, admin)).toMatchObject([{ offset: 9n }])
  fresh.begun.add('orders[0]')
  expect(await startPositions([partition], 'latest', fresh, admin)).toMatchObject([{ offset: 3n }])
})
