import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test, vi } from 'vitest'
import { runBare } from './bare.ts'
import { groupOf, hurryKafkajs } from './group.ts'
import type { World } from './member.ts'
import { createMember, createWorld, numbers } from './member.ts'
import { createLedger, createService, healthUntil } from './service.ts'

/** Leaves the group with a commit at 4 and a log that begins at 7. */
async function createGap(): Promise<World> {
  const world = await createWorld()
  await world.send(0, ...numbers(0, 10))
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.epoch() === 1)
  await member.consumer.commit([{ topic: world.topic, partition: 0, offset: 4n, epoch: 1 }])
  await member.consumer.stop()
  await world.admin.fetchTopicOffsets(world.topic) // kafkajs deletes nothing of a topic whose leaders it has not looked up
  await world.admin.deleteTopicRecords({ topic: world.topic, partitions: [{ partition: 0, offset: '7' }] })
  return world
}

test('bare kafkajs overwrites a commit that is not on the log, without auto commit, and goes on as if nothing were missing', async () => {
  const world = await createGap()
  const seen = createLedger()
  await runBare(world, {
    autoCommit: false,
    eachMessage: async ({ message }) => seen.note(Number(message.value)),
  })
  await seen.until(() => seen.entries.length === 3)
  const [stored] = (await world.admin.fetchOffsets({ groupId: world.groupId, topics: [world.topic] }))[0]!.partitions
  expect(Number(stored!.offset)).toBeLessThan(0) // the 4 is gone
})

test('health names the records that are gone from the log, after a restart as well, and the commit stays where it was', async () => {
  const world = await createGap()
  const seen: number[] = []
  for (const stay of ['the first', 'after a restart']) {
    const service = createService(world, (value) => seen.push(value))
    await service.start()
    await healthUntil(service, ({ status }) => status === 'unhealthy')
    expect(service.health().reasons, stay).toEqual([
      expect.stringContaining(`${world.topic}[0]: offset 4 is not on the log: 3 offsets (4 to 6) are gone`),
    ])
    expect(await world.committed(), stay).toMatchObject({ 0: ['4', expect.anything()] })
    await service.close()
    expect(await world.committed(), stay).toMatchObject({ 0: ['4', expect.anything()] })
  }
  expect(seen).toEqual([])
})

test('bare kafkajs in a new group at the end of the log loses what came before its first commit', async () => {
  const world = await createWorld()
  const seen = createLedger()
  const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
    seen.note(Number(message.value))
  }
  const dying = await runBare(world, { fromBeginning: false, autoCommit: false, eachMessage })
  await vi.waitFor(
    async () => {
      await world.send(0, '1') // until it has found its end of the log
      expect(seen.entries).toContain(1)
    },
    { timeout: 5_000, interval: 100 },
  )
  await dying.stop()
  await runBare(world, { fromBeginning: false, eachMessage })
  await vi.waitFor(
    async () => {
      await world.send(0, '2')
      expect(seen.entries).toContain(2)
    },
    { timeout: 5_000, interval: 100 },
  )
  const firstOfSecond = seen.entries.indexOf(2)
  expect(seen.entries.slice(firstOfSecond)).not.toContain(1)
})

test('a new group at latest whose first process is killed before it has handled anything loses nothing that came meanwhile', async () => {
  const world = await createWorld()
  await world.send(0, '1', '2')
  const env = { ...process.env, BROKERS: world.brokers.join(','), TOPIC: world.topic, GROUP: world.groupId }
  const worker = spawn(process.execPath, ['--import', 'tsx', 'test/broker/kafkajs-consuming/hanging-worker.ts'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void worker.kill('SIGKILL'))
  const line = async (wanted: string): Promise<void> => {
    for (;;) {
      const [chunk] = (await once(worker.stdout, 'data')) as [Buffer]
      if (String(chunk).includes(wanted)) return
    }
  }
  await line('started')
  const handling = line('handling 3')
  await world.send(0, '3')
  await handling
  const gone = once(worker, 'exit')
  worker.kill('SIGKILL')
  await gone
  await world.send(0, '4')

  const seen = createLedger()
  const service = createService(world, (value) => seen.note(value), { startAt: 'latest' })
  await service.start()
  await seen.until(() => seen.entries.length === 2)
  expect(seen.entries.toSorted()).toEqual([3, 4])
})

test('partitions that appear later are read from their beginning in a group at latest, where bare kafkajs skips what came first', async () => {
  const ours = await createWorld()
  const theirs = await createWorld()
  const [seen, bareSaw] = [createLedger(), createLedger()]
  const service = createService(ours, (value) => seen.note(value), { startAt: 'latest' })
  await service.start()
  const bare = await runBare(theirs, {
    fromBeginning: false,
    config: { metadataMaxAge: 15_000 },
    eachMessage: async ({ message }) => bareSaw.note(Number(message.value)),
  })
  await vi.waitFor(() => expect(bare.assignments).toHaveLength(1), { timeout: 5_000 })
  for (const world of [ours, theirs]) {
    await world.admin.createPartitions({ topicPartitions: [{ topic: world.topic, count: 2 }] })
    await vi.waitFor(() => world.send(1, '1', '2'), { timeout: 5_000 }) // before either consumer knows of it
  }
  hurryKafkajs(16_000)
  await vi.waitFor(() => expect(bare.assignments.at(-1)).toHaveLength(2), { timeout: 10_000 })
  await seen.until(() => seen.entries.length === 2)
  expect(seen.entries.toSorted()).toEqual([1, 2])

  await vi.waitFor(
    async () => {
      await theirs.send(1, '3')
      expect(bareSaw.entries).toContain(3)
    },
    { timeout: 5_000, interval: 100 },
  )
  expect(bareSaw.entries).not.toContain(1)
  expect((await groupOf(ours)).members).toBe(1)
})
