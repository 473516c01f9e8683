import type { Broker } from 'kafkajs'
import { expect, test } from 'vitest'
import type { Beat } from '../../../src/driver/kafkajs/consumer-coordinator.ts'
import { followCoordinator } from '../../../src/driver/kafkajs/consumer-following.ts'

const REFUSED = Object.assign(new Error('connect ECONNREFUSED'), { name: 'KafkaJSConnectionError' })
const answer = (type: string): Error => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type })

/** A coordinator as kafkajs gets it; `failure` is what its broker fails with, `latest` what the adapter's own heartbeat came to. */
async function setup({ latest }: { readonly latest: Beat }) {
  const asked: string[] = []
  let failure: Error | undefined
  let found = 0
  let asking = 0
  const cluster = {
    async findGroupCoordinator() {
      const node = ++found
      const ask = (name: string) => async (): Promise<string> => {
        asked.push(`${name} of ${node}`)
        if (failure !== undefined && node === 1) throw failure
        return 'done'
      }
      return {
        nodeId: node,
        heartbeat: ask('heartbeat'),
        leaveGroup: ask('leave'),
        offsetFetch: ask('fetch'),
        joinGroup: ask('join'),
        syncGroup: ask('sync'),
      } as unknown as Broker
    },
  }
  followCoordinator(
    cluster,
    () => latest,
    () => (asking++, () => void asking--),
  )
  const coordinator = (await cluster.findGroupCoordinator()) as unknown as Record<
    'heartbeat' | 'leaveGroup' | 'offsetFetch' | 'joinGroup' | 'syncGroup',
    () => Promise<unknown>
  >
  return { asked, cluster, coordinator, asking: () => asking, failWith: (error: Error) => void (failure = error) }
}

test('asks the coordinator itself while it answers', async () => {
  const { asked, coordinator } = await setup({ latest: 'lost' })
  await coordinator.heartbeat()
  await coordinator.offsetFetch()
  await coordinator.leaveGroup()
  expect(asked).toEqual(['heartbeat of 1', 'fetch of 1', 'leave of 1'])
})

test("passes the group's own answers on, so that kafkajs rejoins", async () => {
  const { coordinator, failWith } = await setup({ latest: 'alive' })
  failWith(answer('REBALANCE_IN_PROGRESS'))
  await expect(coordinator.heartbeat()).rejects.toMatchObject({ type: 'REBALANCE_IN_PROGRESS' })
})

test.each([REFUSED, answer('NOT_COORDINATOR_FOR_GROUP')])(
  'a heartbeat that meets $message succeeds while the adapter reaches the group, and the broker is not asked again',
  async (failure) => {
    const { asked, coordinator, failWith } = await setup({ latest: 'alive' })
    failWith(failure)
    await coordinator.heartbeat()
    await coordinator.heartbeat()
    expect(asked).toEqual(['heartbeat of 1'])
  },
)

test('a heartbeat that nobody can deliver fails nothing: fetching goes on, and the core knows since when', async () => {
  const { coordinator, failWith } = await setup({ latest: 'unanswered' })
  failWith(REFUSED)
  await expect(coordinator.heartbeat()).resolves.toBeUndefined()
})

test.each([
  ['rebalancing', 'REBALANCE_IN_PROGRESS'],
  ['lost', 'UNKNOWN_MEMBER_ID'],
] as const)('tells kafkajs that the group said %s to the adapter', async (latest, type) => {
  const { coordinator, failWith } = await setup({ latest })
  failWith(REFUSED)
  await expect(coordinator.heartbeat()).rejects.toMatchObject({ type })
})

test.each(['joinGroup', 'syncGroup'] as const)('a %s counts as asking until it is answered or fails', async (name) => {
  const { coordinator, asking, failWith } = await setup({ latest: 'alive' })
  expect(asking()).toBe(0)
  const answered = coordinator[name]()
  expect(asking()).toBe(1)
  await answered
  expect(asking()).toBe(0)
  failWith(REFUSED)
  const failed = coordinator[name]()
  expect(asking()).toBe(1)
  await expect(failed).rejects.toBe(REFUSED)
  expect(asking()).toBe(0)
})

test('looking for the coordinator counts as asking, heartbeats and commits do not', async () => {
  const { cluster, coordinator, asking } = await setup({ latest: 'alive' })
  const found = cluster.findGroupCoordinator()
  expect(asking()).toBe(1)
  await found
  const others = [coordinator.heartbeat(), coordinator.offsetFetch()]
  expect(asking()).toBe(0)
  await Promise.all(others)
})

test('a failure that is no broken connection is not hidden', async () => {
  const { coordinator, failWith } = await setup({ latest: 'alive' })
  failWith(new TypeError('a bug'))
  await expect(coordinator.heartbeat()).rejects.toThrow(TypeError)
})

test('a leave goes to the coordinator that is found anew, so that the group does not wait for the session timeout', async () => {
  const { asked, coordinator, failWith } = await setup({ latest: 'alive' })
  failWith(REFUSED)
  await coordinator.leaveGroup()
  expect(asked).toEqual(['leave of 1', 'leave of 2'])
})
