import { expect, test } from 'vitest'
import type { CoordinatorCluster } from '../../../src/driver/kafkajs/consumer-coordinator.ts'
import { createGroupCoordinator } from '../../../src/driver/kafkajs/consumer-coordinator.ts'
import { noFailpoint } from '../../../src/clock/index.ts'

const IDENTITY = { memberId: 'm', generation: 3 }
const OFFSETS = [{ topic: 'orders', partition: 0, offset: 5n, epoch: 1 }]
const named = (name: string, type?: string): Error =>
  Object.assign(new Error(name), { name, ...(type === undefined ? {} : { type }) })

/** A group whose first coordinator fails with the error, with its connection open, and whose second one answers. */
function setup(failure: Error) {
  let found = 0
  const cluster = {
    async findGroupCoordinator() {
      const first = ++found === 1
      const ask = async (): Promise<object> => {
        if (first) throw failure
        return { responses: [] }
      }
      return { isConnected: () => true, heartbeat: ask, offsetCommit: ask, offsetFetch: ask }
    },
  } as unknown as CoordinatorCluster
  return { coordinator: createGroupCoordinator(cluster, 'inventory', noFailpoint), found: () => found }
}

test.each([named('KafkaJSRequestTimeoutError'), named('KafkaJSConnectionError')])(
  'looks the coordinator up anew after a $name: a broker that hangs keeps its connection, and the group may be with another',
  async (failure) => {
    const { coordinator } = setup(failure)
    expect(await coordinator.heartbeat(IDENTITY)).toBe('unanswered')
    expect(await coordinator.heartbeat(IDENTITY)).toBe('alive')
  },
)

test('a commit without an answer is not sent a second time by itself, since nobody knows what became of it; the next one goes to the new coordinator', async () => {
  const { coordinator, found } = setup(named('KafkaJSRequestTimeoutError'))
  await expect(coordinator.commit(IDENTITY, OFFSETS)).rejects.toMatchObject({ code: 'HOLDFAST_INDETERMINATE' })
  expect(found()).toBe(1)
  await coordinator.commit(IDENTITY, OFFSETS)
  expect(found()).toBe(2)
})

test('asks the broker that a moved group is with at once', async () => {
  const { coordinator } = setup(named('KafkaJSProtocolError', 'NOT_COORDINATOR_FOR_GROUP'))
  expect(await coordinator.heartbeat(IDENTITY)).toBe('alive')
})

test('stays with a coordinator that has answered, whatever it said', async () => {
  const { coordinator, found } = setup(named('KafkaJSProtocolError', 'UNKNOWN_MEMBER_ID'))
  expect(await coordinator.heartbeat(IDENTITY)).toBe('lost')
  expect(await coordinator.heartbeat(IDENTITY)).toBe('lost')
  expect(found()).toBe(1)
})
