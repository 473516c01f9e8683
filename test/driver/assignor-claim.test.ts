import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MemberClaim } from '../../src/driver/assignor-claim.ts'
import { decodeClaim, encodeClaim, MAX_CLAIM_BYTES } from '../../src/driver/assignor-claim.ts'

const topicClaims = fc.integer({ min: 0, max: 300 }).chain((partitionCount) =>
  fc.subarray(Array.from({ length: partitionCount }, (_, partition) => partition)).map((owned) => ({
    partitionCount,
    owned,
  })),
)

test('a claim comes back as it was told, also when the member does not know its topic’s partitions just now', () => {
  const forgetful = { generation: 7, topics: [{ partitionCount: 0, owned: [1, 9] }] }
  expect(decodeClaim(encodeClaim(forgetful), 1)).toEqual(forgetful)
  fc.assert(
    fc.property(
      fc.integer({ min: -1, max: 2 ** 31 - 1 }),
      fc.array(topicClaims, { maxLength: 8 }),
      (generation, topics) => {
        expect(decodeClaim(encodeClaim({ generation, topics }), topics.length)).toEqual({ generation, topics })
      },
    ),
  )
})

test('what others wrote is no claim, since any client may join the group under our name', () => {
  const claim = encodeClaim({ generation: 7, topics: [{ partitionCount: 3, owned: [0, 2] }] })
  const json = (told: unknown): Uint8Array => Buffer.concat([Uint8Array.of(1), Buffer.from(JSON.stringify(told))])
  expect(decodeClaim(json([7, [[3, 'BQ==']]]), 1), 'the form that the others below depart from').toEqual({
    generation: 7,
    topics: [{ partitionCount: 3, owned: [0, 2] }],
  })
  const foreign = [
    new Uint8Array(),
    Uint8Array.of(2, ...claim.subarray(1)),
    claim.subarray(0, -1),
    json({ generation: 7 }),
    json([7]),
    json(['7', [[3, 'BQ==']]]),
    json([7, [[-1, '']]]),
    json([7, [[1e9, '']]]),
    json([7, [[3, 5]]]),
    json([7, [null]]),
    json([7, [[3, 'A'.repeat(MAX_CLAIM_BYTES)]]]),
  ]
  for (const bytes of foreign) expect(decodeClaim(bytes, 1), Buffer.from(bytes).toString()).toBeUndefined()
  expect(decodeClaim(claim, 2), 'it tells of another number of topics').toBeUndefined()
  fc.assert(fc.property(fc.uint8Array(), fc.nat(3), (bytes, topics) => void decodeClaim(bytes, topics)))
})

test('a claim stays within its bound: partitions of the last topics go first, the counts last, so that growth is still told', () => {
  const owned = Array.from({ length: 10_000 }, (_, partition) => partition)
  const topics = Array.from({ length: 4 }, () => ({ partitionCount: 10_000, owned }))
  const bytes = encodeClaim({ generation: 7, topics })
  expect(bytes.length).toBeLessThanOrEqual(MAX_CLAIM_BYTES)
  const told = decodeClaim(bytes, 4) as MemberClaim
  expect(told.topics.map((topic) => [topic.partitionCount, topic.owned.length])).toEqual([
    [10_000, 10_000],
    [10_000, 10_000],
    [10_000, 0],
    [10_000, 0],
  ])
  const many = Array.from({ length: 2_000 }, () => ({ partitionCount: 1, owned: [] }))
  expect(encodeClaim({ generation: 7, topics: many })).toEqual(new Uint8Array())
})
