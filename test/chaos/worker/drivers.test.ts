import { expect, test } from 'vitest'
import { DRIVER_NAMES, workerDriver } from './drivers.ts'

test('a driver that nobody knows is refused with the names of those that there are', () => {
  expect(() => workerDriver('carrier-pigeon', 'c', ['127.0.0.1:1'])).toThrow(
    `there is no driver carrier-pigeon; there is ${DRIVER_NAMES.join(', ')}`,
  )
  expect(workerDriver('kafkajs', 'consumer-1#1', ['127.0.0.1:1']).clientId).toBe('consumer-1#1') // faults hit one client by it
})
