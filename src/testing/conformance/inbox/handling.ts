import assert from 'node:assert/strict'
import { dedupeId } from '../../../idempotency/index.ts'
import { assertRejects } from '../assertions.ts'
import type { InboxCase } from './inbox-case.ts'
import { call, gate, kept, neverCalled, told } from './inbox-case.ts'

/** One message, its effect and its mark. */
export const handling: readonly InboxCase[] = [
  {
    promise: 'commits effect and mark together, and knows a second delivery by the mark',
    async hold({ inbox, otherInbox = inbox, write, written }) {
      const first = await inbox.handle(call(['a']), async (tx, fresh) => {
        await write(tx, 'a')
        return kept(fresh.map(({ id }) => id))
      })
      assert.deepEqual(first, { kind: 'committed', value: ['a'], done: new Map() })
      for (const each of [inbox, otherInbox]) {
        const again = await each.handle(call(['a'], 'two'), neverCalled)
        assert.equal(again.kind, 'done')
        assert.deepEqual(told(again.done), ['a handled'])
      }
      assert.deepEqual(await inbox.begin('a'), { kind: 'done', outcome: 'handled' })
      assert.deepEqual(await written(), ['a'])
    },
  },
  {
    promise: 'knows its own mark when the same delivery comes again, since the answer to a commit can be lost',
    async hold({ inbox, write, written }) {
      const work = async (tx: unknown) => kept(await write(tx, 'a'))
      await inbox.handle(call(['a']), work)
      const again = await inbox.handle(call(['a']), neverCalled)
      assert.equal(again.kind, 'done')
      assert.deepEqual(told(again.done), ['a handled by itself'])
      assert.deepEqual(await written(), ['a'])
    },
  },
  {
    promise: 'leaves neither effect nor mark of a work that throws, and lets through what it has thrown',
    async hold({ inbox, write, written }) {
      const fault = new Error('no stock')
      const throws = inbox.handle(call(['a']), async (tx) => {
        await write(tx, 'a')
        throw fault
      })
      await assert.rejects(throws, (thrown) => thrown === fault)
      assert.deepEqual(await written(), [])
      assert.equal((await inbox.handle(call(['a']), async (tx) => kept(await write(tx, 'b')))).kind, 'committed')
      assert.deepEqual(await written(), ['b'])
    },
  },
  {
    promise: 'leaves neither effect nor mark of a work that is not to be kept, and answers with its value',
    async hold({ inbox, write, written }) {
      const parks = await inbox.handle(call(['a']), async (tx) => {
        await write(tx, 'a')
        return { commit: false, value: 'park' }
      })
      assert.deepEqual(parks, { kind: 'rolled-back', value: 'park', done: new Map() })
      assert.deepEqual(await written(), [])
      assert.equal((await inbox.handle(call(['a']), async (tx) => kept(await write(tx, 'b')))).kind, 'committed')
      assert.deepEqual(await written(), ['b'])
    },
  },
  {
    promise: 'lets one of two with the same message wait for the other, and work only where that leaves nothing',
    async hold({ inbox, otherInbox = inbox, write, written, untilOneWaits }) {
      for (const succeeds of [false, true]) {
        const id = `m-${succeeds}`
        const [begun, mayEnd] = [gate(), gate()]
        const first = inbox.handle(call([id]), async (tx) => {
          await write(tx, `first ${id}`)
          begun.open()
          await mayEnd.opened
          if (!succeeds) throw new Error('fails')
          return kept('first')
        })
        first.catch(() => {})
        await begun.opened
        let hasEnded = false
        const second = otherInbox
          .handle(call([id], 'two'), async (tx) => {
            await write(tx, `second ${id}`)
            return kept('second')
          })
          .finally(() => (hasEnded = true))
        second.catch(() => {})
        await untilOneWaits()
        assert.equal(hasEnded, false)
        mayEnd.open()
        await first.catch(() => {})
        const { kind, done } = await second
        assert.equal(kind, succeeds ? 'done' : 'committed')
        assert.deepEqual(told(done), succeeds ? [`${id} handled`] : [])
      }
      assert.deepEqual(await written(), ['first m-true', 'second m-false'])
    },
  },
  {
    promise: 'leaves neither effect nor mark when its connection breaks, and blames the database and not the message',
    async hold({ inbox, otherInbox = inbox, write, written, breakConnection }) {
      const dies = inbox.handle(call(['a']), async (tx) => {
        await write(tx, 'a')
        await breakConnection(tx)
        await write(tx, 'b')
        return kept(null)
      })
      await assertRejects(dies, 'HOLDFAST_STORE_UNAVAILABLE')
      assert.deepEqual(await written(), [])
      const next = await otherInbox.handle(call(['a'], 'two'), async (tx) => kept(await write(tx, 'c')))
      assert.equal(next.kind, 'committed')
      assert.deepEqual(await written(), ['c'])
    },
  },
  {
    promise: 'says that the database is at fault when the connection breaks after the work, in the commit',
    async hold({ inbox, write, written, breakConnection }) {
      const dies = inbox.handle(call(['a']), async (tx) => {
        await write(tx, 'a')
        await breakConnection(tx)
        return kept(null)
      })
      await assertRejects(dies, 'HOLDFAST_STORE_UNAVAILABLE')
      assert.deepEqual(await written(), [])
      assert.equal((await inbox.handle(call(['a']), async (tx) => kept(await write(tx, 'b')))).kind, 'committed')
    },
  },
  {
    promise: 'takes any text as an id, and gives no two the same mark',
    async hold({ inbox, write, written }) {
      const texts = ['', ' ', 'é', 'e\u0301', 'a\u0000b', "'; drop table x", '__proto__', '\ud800', 'order', 'Order']
      const long = ['a', 'b'].map((end) => 'x'.repeat(20_000) + end)
      const ids = [...texts, ...long].map((messageId) => dedupeId({ groupId: 'g', handler: 'h', messageId }))
      for (const id of ids) {
        const result = await inbox.handle(call([id]), async (tx) => kept(await write(tx, 'one')))
        assert.equal(result.kind, 'committed')
      }
      assert.equal((await written()).length, ids.length)
    },
  },
]
