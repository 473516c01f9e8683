import { describe, expect, test } from 'vitest'
import { systemRuntime } from '../../../src/clock/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import type { Inbox, InboxCall, InboxMessage } from '../../../src/idempotency/index.ts'
import type { InboxWorld } from '../../../src/testing/index.ts'
import { inboxConformance } from '../../../src/testing/index.ts'
import type { MemoryTransaction } from '../../helpers/memory-inbox.ts'
import { memoryInbox } from '../../helpers/memory-inbox.ts'

/** An inbox in memory, whose connections can break. */
function sound(): InboxWorld {
  const memory = memoryInbox()
  const broken = new Set<unknown>()
  const look = (tx: unknown): void => {
    if (broken.has(tx)) throw new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'the connection has broken')
  }
  const inbox: Inbox<unknown> = {
    ...memory,
    handle: (call, work) =>
      memory.handle(call, async (tx, fresh) => {
        const end = await work(tx, fresh)
        look(tx)
        return end
      }),
  }
  return {
    inbox,
    async write(tx, effect) {
      look(tx)
      ;(tx as MemoryTransaction).write(effect)
    },
    written: async () => memory.effects.toSorted(),
    breakConnection: async (tx) => void broken.add(tx),
    untilOneWaits: () => systemRuntime.clock.turn(),
    close: async () => {},
  }
}

inboxConformance({ name: 'an inbox in memory', describe, test, create: async () => sound() })

/** The promises that an inbox does not keep. */
async function broken(make: () => InboxWorld): Promise<readonly string[]> {
  const tests: { readonly promise: string; readonly body: () => Promise<void> }[] = []
  inboxConformance({
    name: 'an inbox',
    describe: (_name, body) => body(),
    test: (promise, body) => void tests.push({ promise, body }),
    create: async () => make(),
  })
  const failed: string[] = []
  for (const { promise, body } of tests) await body().catch(() => failed.push(promise))
  return failed
}

const but =
  (change: (inbox: Inbox<unknown>, world: InboxWorld) => Partial<Inbox<unknown>>): (() => InboxWorld) =>
  () => {
    const world = sound()
    return { ...world, inbox: { ...world.inbox, ...change(world.inbox, world) } }
  }
const withCalls = (change: (call: InboxCall) => InboxCall): (() => InboxWorld) =>
  but((inbox) => ({ handle: (call, work) => inbox.handle(change(call), work) }))
const withMessages = (change: (message: InboxMessage, at: number) => InboxMessage): (() => InboxWorld) =>
  withCalls((call) => ({ ...call, messages: call.messages.map(change) }))

/** Defects that inboxes have or could have, each with a promise that must not hold then. */
const defects: ReadonlyArray<readonly [defect: string, promise: string, make: () => InboxWorld]> = [
  [
    'writes at once',
    'leaves neither effect nor mark of a work that throws',
    () => {
      const world = sound()
      const early: string[] = []
      return { ...world, write: async (_, effect) => early.push(effect), written: async () => early.toSorted() }
    },
  ],
  [
    'keeps no marks',
    'commits effect and mark together',
    () => {
      let count = 0
      return withMessages((message) => ({ ...message, id: `${message.id}#${count++}` }))()
    },
  ],
  [
    'takes its own mark for another’s',
    'knows its own mark',
    () => {
      let count = 0
      return withMessages((message) => ({ ...message, token: `${message.token}#${count++}` }))()
    },
  ],
  [
    'takes another’s mark for its own',
    'commits effect and mark together',
    withMessages((message) => ({ ...message, token: 't' })),
  ],
  [
    'marks what failed',
    'leaves neither effect nor mark of a work that throws',
    but((inbox) => ({
      async handle(call, work) {
        try {
          return await inbox.handle(call, work)
        } catch (error) {
          for (const message of call.messages) await inbox.complete(message, 'handled')
          throw error
        }
      },
    })),
  ],
  [
    'wraps what a work throws',
    'leaves neither effect nor mark of a work that throws',
    but((inbox) => ({
      handle: (call, work) =>
        inbox.handle(call, work).catch((cause: unknown) => {
          throw HoldfastError.is(cause) ? cause : new Error('failed', { cause })
        }),
    })),
  ],
  [
    'keeps whatever a work has done',
    'leaves neither effect nor mark of a work that is not to be kept',
    but((inbox) => ({
      handle: (call, work) => inbox.handle(call, async (tx, fresh) => ({ ...(await work(tx, fresh)), commit: true })),
    })),
  ],
  [
    'takes what is in work for done',
    'lets one of two with the same message wait',
    but((inbox) => {
      const inWork = new Set<string>()
      return {
        async handle(call, work) {
          const taken = call.messages.filter(({ id }) => inWork.has(id))
          if (taken.length > 0)
            return { kind: 'done', done: new Map(taken.map((each) => [each, { outcome: 'handled', own: false }])) }
          for (const { id } of call.messages) inWork.add(id)
          return inbox.handle(call, work).finally(() => inWork.clear())
        },
      }
    }),
  ],
  [
    'blames the message for a broken connection',
    'leaves neither effect nor mark when its connection breaks',
    but((inbox) => ({
      handle: (call, work) =>
        inbox.handle(call, work).catch((error: unknown) => {
          throw HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE') ? new Error('statement failed') : error
        }),
    })),
  ],
  [
    'takes a commit without an answer for one that is done',
    'says that the database is at fault',
    () => {
      const world = sound()
      const handle: Inbox<unknown>['handle'] = (call, work) =>
        world.inbox.handle(call, work).catch((error: unknown) => {
          if (!HoldfastError.is(error)) throw error
          return { kind: 'committed', value: null as never, done: new Map() }
        })
      return { ...world, inbox: { ...world.inbox, handle } }
    },
  ],
  [
    'does not tell capital letters apart',
    'takes any text as an id',
    withMessages((m) => ({ ...m, id: m.id.toLowerCase() })),
  ],
  ['cuts long ids', 'takes any text as an id', withMessages((m) => ({ ...m, id: m.id.slice(0, 255) }))],
  [
    'handles a message of a batch twice',
    'handles what of a batch is not done',
    withMessages((message, at) => ({ ...message, id: at === 3 ? `${message.id}'` : message.id })),
  ],
  [
    'has a transaction for each message of a batch',
    'leaves nothing of any message of a batch',
    but((inbox) => ({
      async handle(call, work) {
        let last
        for (const message of call.messages)
          last = await inbox.handle({ ...call, messages: [message] }, async (tx, fresh) => {
            const end = await work(tx, fresh).catch((error: unknown) => {
              if (message === call.messages.at(-1)) throw error
              return { commit: true, value: null as never }
            })
            return end
          })
        return last!
      },
    })),
  ],
  [
    'locks in the order in which they come',
    'brings batches with the same messages in other orders',
    () => {
      const world = sound()
      const locks = new Map<string, Promise<void>>()
      const handle: Inbox<unknown>['handle'] = async (call, work) => {
        const release: (() => void)[] = []
        for (const { id } of call.messages) {
          let waits = 0
          for (let before = locks.get(id); before !== undefined; before = locks.get(id)) {
            if (++waits > 3) throw new Error('deadlock')
            await Promise.race([before, systemRuntime.clock.turn()])
          }
          locks.set(id, new Promise((resolve) => release.push(() => (locks.delete(id), resolve()))))
          await systemRuntime.clock.turn()
        }
        return world.inbox.handle(call, work).finally(() => release.forEach((each) => each()))
      }
      return { ...world, inbox: { ...world.inbox, handle } }
    },
  ],
  [
    'does not count',
    'counts beginnings until the message is done',
    but((inbox) => ({
      async begin(id) {
        const begun = await inbox.begin(id)
        return begun.kind === 'started' ? { ...begun, attempt: 1 } : begun
      },
    })),
  ],
  ['forgets what has come to nothing', 'goes on counting', but(() => ({ abandon: async () => {} }))],
  [
    'counts a work as a beginning',
    'keeps the count of a message',
    but((inbox) => ({
      async handle(call, work) {
        for (const { id } of call.messages) await inbox.begin(id)
        return inbox.handle(call, work)
      },
    })),
  ],
  ['marks nothing as parked', 'marks a message whose end is no effect', but(() => ({ complete: async () => {} }))],
  [
    'overwrites a mark',
    'keeps an older mark',
    but((inbox) => {
      const last = new Map<string, 'handled' | 'parked'>()
      return {
        async complete(message, outcome) {
          last.set(message.id, outcome)
          await inbox.complete(message, outcome)
        },
        async handle(call, work) {
          const result = await inbox.handle(call, work)
          const done = [...result.done].map(
            ([m, was]) => [m, { ...was, outcome: last.get(m.id) ?? was.outcome }] as const,
          )
          return { ...result, done: new Map(done) }
        },
      }
    }),
  ],
]

describe('an inbox with a defect', () => {
  test('is none when it is sound', async () => {
    expect(await broken(sound)).toEqual([])
  })

  test.each(defects)('that %s breaks: %s', async (_defect, promise, make) => {
    expect(await broken(make)).toContainEqual(expect.stringContaining(promise))
  })
})
