import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import {
  API,
  apiKeyOf,
  identityOfSync,
  memberOfJoin,
  setMaxWait,
  withoutResets,
} from '../../../src/driver/kafkajs/consumer-frames.ts'

// kafkajs' own encoders, so that the frames read here are the frames it writes.
const require = createRequire(import.meta.url)
const createRequest = require('kafkajs/src/protocol/request') as (frame: {
  correlationId: number
  clientId: string
  request: unknown
}) => Promise<{ buffer: Buffer }>

async function frame(api: string, version: number, body: Record<string, unknown>): Promise<Buffer> {
  const requests = require(`kafkajs/src/protocol/requests/${api}`) as {
    protocol(options: { version: number }): (body: Record<string, unknown>) => { request: unknown }
  }
  const { request } = requests.protocol({ version })(body)
  return (await createRequest({ correlationId: 7, clientId: 'orders-ü', request })).buffer
}

const groupId = 'inventory'

test.each([0, 1, 2, 3, 4, 5])('reads the member id of a JoinGroup request of version %i', async (version) => {
  const join = { groupId, sessionTimeout: 1, rebalanceTimeout: 2, protocolType: 'consumer', groupProtocols: [] }
  const named = await frame('joinGroup', version, { ...join, memberId: 'member-1' })
  expect(apiKeyOf(named)).toBe(API.joinGroup)
  expect(memberOfJoin(named)).toBe('member-1')
  expect(memberOfJoin(await frame('joinGroup', version, { ...join, memberId: '' }))).toBe('')
})

test.each([0, 1, 2, 3])('reads generation and member of a SyncGroup request of version %i', async (version) => {
  const sync = await frame('syncGroup', version, {
    groupId,
    generationId: 12,
    memberId: 'member-1',
    groupAssignment: [],
  })
  expect(apiKeyOf(sync)).toBe(API.syncGroup)
  expect(identityOfSync(sync)).toEqual({ memberId: 'member-1', generation: 12 })
})

test.each([4, 7, 10, 11])(
  'sets the waiting time in a Fetch request of version %i and nothing else',
  async (version) => {
    const topics = [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: '5', maxBytes: 10 }] }]
    const fetch = (maxWaitTime: number): Promise<Buffer> =>
      frame('fetch', version, { maxWaitTime, minBytes: 1, maxBytes: 100, topics, rackId: '' })
    const changed = await fetch(20)
    expect(apiKeyOf(changed)).toBe(API.fetch)
    setMaxWait(changed, 4_000)
    expect(changed).toEqual(await fetch(4_000))
  },
)

test.each([2, 3, 4, 5])('takes the topics out of a commit of version %i that would reset offsets', async (version) => {
  const commit = (topics: unknown): Promise<Buffer> =>
    frame('offsetCommit', version, { groupId, groupGenerationId: 3, memberId: 'member-1', retentionTime: -1, topics })
  const reset = await commit([{ topic: 'orders', partitions: [{ partition: 4, offset: -2 }] }])
  expect(apiKeyOf(reset)).toBe(API.offsetCommit)

  const emptied = withoutResets(reset)!
  expect(emptied.resets).toEqual([{ topic: 'orders', partition: 4 }])
  expect(emptied.frame).toEqual(await commit([]))
})

test.each([2, 3, 4, 5])('leaves a commit of version %i with true offsets alone', async (version) => {
  const partitions = [
    { partition: 0, offset: '0', metadata: 'ranges' },
    { partition: 1, offset: '9007199254740993', metadata: null },
  ]
  const topics = [{ topic: 'orders', partitions }]
  const commit = await frame('offsetCommit', version, {
    groupId,
    groupGenerationId: 3,
    memberId: 'm',
    retentionTime: -1,
    topics,
  })
  expect(withoutResets(commit)).toBeUndefined()
})

test('takes nothing for a request that is none: tokens of a login go over the same socket', () => {
  expect(apiKeyOf('text')).toBe(-1)
  expect(apiKeyOf(Buffer.from('n,,n=user,r=0123456789'))).toBe(-1)
  expect(apiKeyOf(Buffer.alloc(3))).toBe(-1)
})
