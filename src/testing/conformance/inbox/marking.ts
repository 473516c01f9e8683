import assert from 'node:assert/strict'
import type { InboxCase } from './inbox-case.ts'
import { call, kept, messageOf, neverCalled, told } from './inbox-case.ts'

/** Beginnings that are counted, and marks that are no effect of a handler. */
export const marking: readonly InboxCase[] = [
  {
    promise: 'counts beginnings until the message is done, whoever begins',
    async hold({ inbox, otherInbox = inbox, write }) {
      assert.deepEqual(await inbox.begin('a'), { kind: 'started', attempt: 1 })
      assert.deepEqual(await otherInbox.begin('a'), { kind: 'started', attempt: 2 })
      assert.deepEqual(await inbox.begin('b'), { kind: 'started', attempt: 1 })
      await inbox.handle(call(['a']), async (tx) => kept(await write(tx, 'a')))
      assert.deepEqual(await inbox.begin('a'), { kind: 'done', outcome: 'handled' })
    },
  },
  {
    promise: 'goes on counting from what has come to nothing',
    async hold({ inbox, otherInbox = inbox }) {
      await inbox.begin('a')
      await inbox.begin('a')
      await otherInbox.abandon('a', 1)
      assert.deepEqual(await inbox.begin('a'), { kind: 'started', attempt: 2 })
      await inbox.abandon('a', 0)
      assert.deepEqual(await otherInbox.begin('a'), { kind: 'started', attempt: 1 })
      await inbox.abandon('never begun', 3)
    },
  },
  {
    promise: 'keeps the count of a message whose work leaves nothing',
    async hold({ inbox }) {
      await inbox.begin('a')
      await inbox.handle(call(['a']), () => Promise.reject(new Error('fails'))).catch(() => {})
      assert.deepEqual(await inbox.begin('a'), { kind: 'started', attempt: 2 })
    },
  },
  {
    promise: 'marks a message whose end is no effect of its handler, begun or not',
    async hold({ inbox, otherInbox = inbox }) {
      await inbox.begin('a')
      await inbox.complete(messageOf('a'), 'parked')
      await inbox.complete(messageOf('b'), 'handled')
      for (const each of [inbox, otherInbox]) {
        assert.deepEqual(await each.begin('a'), { kind: 'done', outcome: 'parked' })
        const { kind, done } = await each.handle(call(['a', 'b'], 'two'), neverCalled)
        assert.equal(kind, 'done')
        assert.deepEqual(told(done), ['a parked', 'b handled'])
      }
    },
  },
  {
    promise: 'keeps an older mark, whatever is said of its message later',
    async hold({ inbox, otherInbox = inbox, write, written }) {
      await inbox.handle(call(['a']), async (tx) => kept(await write(tx, 'a')))
      await inbox.complete(messageOf('b'), 'parked')
      for (const id of ['a', 'b']) {
        await otherInbox.complete(messageOf(id, 'late'), id === 'a' ? 'parked' : 'handled')
        await otherInbox.abandon(id, 5)
      }
      const { done } = await inbox.handle(call(['a', 'b']), neverCalled)
      assert.deepEqual(told(done), ['a handled by itself', 'b parked by itself'])
      assert.deepEqual(await inbox.begin('b'), { kind: 'done', outcome: 'parked' })
      assert.deepEqual(await written(), ['a'])
    },
  },
  {
    promise: 'is fit for one handler at a time, and may be closed twice',
    async hold({ inbox }) {
      await inbox.check(1)
      await inbox.close()
      await inbox.close()
    },
  },
]
