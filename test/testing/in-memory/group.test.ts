import { expect, test } from 'vitest'
import type { GroupMember } from '../../../src/testing/in-memory/group.ts'
import { createGroup } from '../../../src/testing/in-memory/group.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'

function setup() {
  const { clock } = virtualRuntime()
  const group = createGroup(
    'inventory',
    () => clock,
    () => 2,
  )
  const generations: number[] = []
  const member: GroupMember = {
    memberId: 'one',
    clientId: 'one',
    topics: ['orders'],
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    onRebalance() {},
    onAssignment: (generation) => void generations.push(generation),
    crash() {},
  }
  return { group, member, generations }
}

const commit = { topic: 'orders', partition: 0, offset: 5n, epoch: 1 }

test('a commit of an earlier generation is refused, though the same member is in the present one', () => {
  const { group, member, generations } = setup()
  group.join(member, false)
  group.join(member, true)
  expect(generations).toEqual([1, 2])
  expect(() => group.commit('one', 1, [commit])).toThrow('present generation')
  expect(group.committed()).toEqual([])
  group.commit('one', 2, [commit])
  expect(group.committed()).toMatchObject([{ offset: 5n }])
})

test('a commit is not checked against the assignment, since brokers do not either: that is the client’s to refuse', () => {
  const { group, member } = setup()
  group.join(member, false)
  group.commit('one', 1, [{ ...commit, topic: 'somebody-elses' }])
  expect(group.committed()).toMatchObject([{ topic: 'somebody-elses', offset: 5n }])
})
