import { expect, test } from 'vitest'
import { createBackPressure } from '../../src/consumer/back-pressure.ts'

test('a partition that is removed twice is counted once, so that the share of the others never shrinks below nothing', () => {
  const steered: string[] = []
  const pressure = createBackPressure({ maxBytes: 1_000, maxRecords: 100_000 }, {
    pause: ([target]) => void steered.push(`pause ${target!.partition}`),
    resume: ([target]) => void steered.push(`resume ${target!.partition}`),
  })
  const add = (partition: number) => pressure.add({ topic: 'orders', partition }, { records: 0, bytes: 0 })
  const gone = [0, 1, 2, 3].map(add)
  for (const bound of [...gone, ...gone]) bound.remove()
  for (const bound of [4, 5].map(add)) bound.check()
  expect(steered).toEqual([])
})
