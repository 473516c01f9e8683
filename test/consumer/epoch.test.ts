import { expect, test } from 'vitest'
import { createEpoch } from '../../src/consumer/epoch.ts'

test('who begins to listen to what has been is called at once: nothing else would ever come', () => {
  const epoch = createEpoch({ topic: 'orders', partition: 0 }, 1, null)
  const heard: string[] = []
  epoch.stop()
  epoch.onStop(() => heard.push('stopped'))()
  epoch.onAbort(() => heard.push('aborted'))
  expect(heard).toEqual(['stopped'])
  epoch.end(new Error('over'))
  epoch.onAbort(() => heard.push('aborted since'))
  expect(heard).toEqual(['stopped', 'aborted', 'aborted since'])
})
