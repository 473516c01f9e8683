import { expect, test } from 'vitest'
import type { CommitOffset } from '../../src/driver/index.ts'
import { createCommitter } from '../../src/consumer/commit.ts'
import type { Epoch } from '../../src/consumer/epoch.ts'
import { createEpoch } from '../../src/consumer/epoch.ts'
import { createEvents } from '../../src/consumer/events.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import { silentLogger } from '../../src/logger/index.ts'
import { failpoints, virtualRuntime } from '../../src/testing/index.ts'

function setup(options: { readonly intervalMs?: number; readonly commit?: () => Promise<void> } = {}) {
  const points = failpoints()
  const runtime = virtualRuntime({ failpoint: points.failpoint })
  const sent: (readonly CommitOffset[])[] = []
  const committer = createCommitter({
    consumer: {
      commit: async (offsets) => {
        sent.push(offsets)
        await options.commit?.()
      },
    },
    runtime,
    logger: silentLogger,
    events: createEvents(silentLogger),
    intervalMs: options.intervalMs ?? 100,
  })
  return {
    runtime,
    points,
    sent,
    committer,
    offsets: () => sent.map((each) => each.map(({ partition, offset }) => `${partition}@${offset}`).join(' ')),
  }
}

function epochAt(partition: number, finished: bigint): Epoch {
  const epoch = createEpoch({ topic: 'orders', partition }, 1, 0n)
  epoch.begin(0n)
  finish(epoch, finished)
  return epoch
}

function finish(epoch: Epoch, upTo: bigint): void {
  for (let offset = epoch.tracker!.next; offset < upTo; offset++) {
    epoch.tracker!.take(offset)
    epoch.tracker!.finish(offset)
  }
}

test('every partition that has moved goes into one request', async () => {
  const { runtime, committer, offsets } = setup()
  const [a, b, idle] = [epochAt(0, 3n), epochAt(1, 5n), epochAt(2, 0n)]
  for (const epoch of [a, b, idle]) committer.moved(epoch)
  await runtime.advance(100)
  expect(offsets()).toEqual(['0@3 1@5'])
  expect([a.committed, b.committed, idle.committed]).toEqual([3n, 5n, 0n])
})

test('an epoch that dies while its commit waits is left out: nothing is committed for what may be somebody else’s', async () => {
  const { runtime, points, committer, offsets } = setup()
  const [dies, lives] = [epochAt(0, 3n), epochAt(1, 5n)]
  const held = points.holdAt('commit:before')
  committer.moved(dies)
  committer.moved(lives)
  await runtime.run(held.reached)
  dies.end(new Error('gone'))
  held.release()
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['1@5'])
  await runtime.run(committer.flush([dies, lives], 1_000))
  expect(offsets()).toEqual(['1@5'])
})

test('one request is under way at a time, and what finishes meanwhile goes with the next', async () => {
  const gates: (() => void)[] = []
  const { runtime, committer, offsets } = setup({ commit: () => new Promise((resolve) => gates.push(resolve)) })
  const epoch = epochAt(0, 1n)
  committer.moved(epoch)
  await runtime.advance(0)
  finish(epoch, 4n)
  committer.moved(epoch)
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@1'])
  gates.shift()!()
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@1', '0@4'])
})

test('thousands of finished records do not wait for the interval', async () => {
  const { runtime, committer, offsets } = setup({ intervalMs: 60_000 })
  const epoch = epochAt(0, 1n)
  committer.moved(epoch)
  await runtime.advance(1)
  for (let upTo = 2n; upTo <= 5_001n; upTo++) {
    finish(epoch, upTo)
    committer.moved(epoch)
  }
  await runtime.advance(1)
  expect(offsets()).toEqual(['0@1', '0@5001'])
})

test('a flush gives up at its deadline, however long the broker is silent', async () => {
  const { runtime, committer } = setup({ commit: () => new Promise(() => {}) })
  const before = runtime.clock.monotonic()
  await runtime.run(committer.flush([epochAt(0, 3n)], 5_000))
  expect(runtime.clock.monotonic() - before).toBe(5_000)
})

test('a refused commit is told as stale, and tried again only while the partition is owned', async () => {
  const lost = new HoldfastError('HOLDFAST_EPOCH_LOST', 'gone')
  const { runtime, committer, sent } = setup({ commit: () => Promise.reject(lost) })
  const epoch = epochAt(0, 3n)
  committer.moved(epoch)
  await runtime.advance(10_000)
  expect(sent.length).toBeGreaterThan(2)
  expect(committer.trouble).toMatchObject({ reason: 'HOLDFAST_EPOCH_LOST' })
  epoch.end(new Error('gone'))
  const before = sent.length
  await runtime.advance(60_000)
  expect(sent.length).toBe(before)
  expect(committer.trouble).toBeNull() // health must not stay red over a partition that is somebody else's
  expect(runtime.clock.pending).toBe(0)
})

test('an epoch that the broker knows no more keeps no other from being committed', async () => {
  const runtime = virtualRuntime()
  const committer = createCommitter({
    consumer: {
      async commit(offsets) {
        if (offsets.some(({ epoch }) => epoch === 1)) throw new HoldfastError('HOLDFAST_EPOCH_LOST', 'an old epoch')
      },
    },
    runtime,
    logger: silentLogger,
    events: createEvents(silentLogger),
    intervalMs: 100,
  })
  const stale = epochAt(0, 3n)
  const live = createEpoch({ topic: 'orders', partition: 1 }, 2, 0n)
  live.begin(0n)
  finish(live, 5n)
  committer.moved(stale)
  committer.moved(live)
  await runtime.advance(1_000)
  expect([stale.committed, live.committed]).toEqual([0n, 5n])
  committer.close()
})
