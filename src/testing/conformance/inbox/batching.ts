import assert from 'node:assert/strict'
import type { InboxMessage } from '../../../idempotency/index.ts'
import type { InboxCase, InboxWorld } from './inbox-case.ts'
import { call, kept, messageOf, neverCalled, told } from './inbox-case.ts'

const writeAll =
  ({ write }: InboxWorld) =>
  async (tx: unknown, fresh: readonly InboxMessage[]) => {
    for (const { id } of fresh) await write(tx, id)
    return kept(fresh.map(({ token }) => token))
  }

/** Messages that share a transaction. */
export const batching: readonly InboxCase[] = [
  {
    promise: 'handles what of a batch is not done, and of one message twice the first, in one transaction',
    async hold(world) {
      const { inbox, written } = world
      await inbox.handle(call(['b'], 'before'), writeAll(world))
      const messages = [messageOf('c'), messageOf('b'), messageOf('a'), messageOf('c', 'again')]
      const result = await inbox.handle({ ...call([]), messages }, writeAll(world))
      assert.ok(result.kind === 'committed')
      assert.deepEqual(result.value, ['one:c', 'one:a'])
      assert.deepEqual(told(result.done), ['b handled', 'c handled'])
      assert.deepEqual(await written(), ['a', 'b', 'c'])
      const again = await inbox.handle({ ...call([]), messages }, neverCalled)
      assert.equal(again.kind, 'done')
      assert.deepEqual(told(again.done), ['c handled by itself', 'b handled', 'a handled by itself', 'c handled'])
    },
  },
  {
    promise: 'leaves nothing of any message of a batch that fails, or is not to be kept',
    async hold(world) {
      const { inbox, written } = world
      const fault = new Error('the last one fails')
      const fails = inbox.handle(call(['a', 'b']), async (tx, fresh) => {
        await writeAll(world)(tx, fresh)
        throw fault
      })
      await assert.rejects(fails, (thrown) => thrown === fault)
      const back = await inbox.handle(call(['a', 'b']), async (tx, fresh) => {
        await writeAll(world)(tx, fresh)
        return { commit: false, value: null }
      })
      assert.equal(back.kind, 'rolled-back')
      assert.deepEqual(await written(), [])
      assert.equal((await inbox.handle(call(['b']), writeAll(world))).kind, 'committed')
      assert.deepEqual(await written(), ['b'])
    },
  },
  {
    promise:
      'brings batches with the same messages in other orders to their end side by side, each message handled once',
    async hold(world) {
      const { inbox, otherInbox = inbox, written } = world
      const ids = Array.from({ length: 30 }, (_, i) => `m-${i}`)
      const orders = [ids, ids.toReversed(), ids.toSorted(), ids.toSorted().toReversed()]
      const ends = await Promise.all(
        orders.map((order, i) => (i % 2 ? otherInbox : inbox).handle(call(order, String(i)), writeAll(world))),
      )
      assert.deepEqual(ends.map(({ kind }) => kind).toSorted(), ['committed', 'done', 'done', 'done'])
      assert.deepEqual(await written(), ids.toSorted())
    },
  },
  {
    promise: 'brings batches that share some of their messages to their end side by side, each message handled once',
    async hold(world) {
      const { inbox, otherInbox = inbox, written } = world
      const parts = [
        ['a', 'b', 'c'],
        ['c', 'd', 'a'],
        ['d', 'b', 'e'],
      ]
      await Promise.all(
        parts.map((ids, i) => (i % 2 ? otherInbox : inbox).handle(call(ids, String(i)), writeAll(world))),
      )
      assert.deepEqual(await written(), ['a', 'b', 'c', 'd', 'e'])
    },
  },
]
