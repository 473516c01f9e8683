import type { Scenario, World } from '../machine/index.ts'
import { untilNoLag } from '../machine/index.ts'
import { VALUE_HEADER } from '../worker/index.ts'

/** Kafka's number for topics in requests about settings. */
const TOPIC_RESOURCE = 2

async function setTopic(world: World, topic: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  await world.cluster.admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: TOPIC_RESOURCE, name: topic, configEntries }],
  })
}

/** A message as any client would write it. */
function rawMessage(world: World, value: string, key: string, id?: string) {
  const payload = JSON.stringify({ value, key, canary: world.canary })
  return { key, value: payload, headers: { [VALUE_HEADER]: value, ...(id === undefined ? {} : { 'holdfast-id': id }) } }
}

/** A topic gets more partitions while it is written and read. */
export const partitionsGrow: Scenario = {
  number: 19,
  name: 'partitions-grow',
  about: 'A topic grows from six partitions to nine under load: the new ones are read from their beginning.',
  seconds: 60,
  expectations: { livenessBoundMs: 90_000 },
  async inject(world) {
    const count = 9
    await world.nemesis.once('partitions added', world.topic, async () => {
      const { admin } = world.cluster
      await admin.createPartitions({ topicPartitions: [{ topic: world.deadLetterTopic, count }] })
      await admin.createPartitions({ topicPartitions: [{ topic: world.topic, count }] })
      // Producers and members look at a topic's partitions every now and then: what a stranger writes there meanwhile has to be read as well.
      const messages = [6, 7, 8].map((partition) => ({ ...rawMessage(world, `new-${partition}`, 'k-new'), partition }))
      await world.writeRaw(messages)
    })
    await world.until('that all nine have an owner', () => world.live.owners.size === count, 90_000)
  },
}

/** A topic is deleted and made anew under the same name: offsets begin again. */
export const topicRecreated: Scenario = {
  number: 20,
  name: 'topic-recreated',
  about:
    'The topic is deleted and made again: what is written there is handled, or health says aloud why it is not; never a silent stall.',
  seconds: 90,
  judgedBy: 'itself',
  async inject(world) {
    await world.fleet.stopAll('producer')
    const { admin } = world.cluster
    await world.nemesis.once('topic deleted', world.topic, async () => {
      await admin.deleteTopics({ topics: [world.topic] })
      while ((await admin.listTopics()).includes(world.topic)) await world.pause(200)
      world.live.beginAnew(world.topic)
      await world.cluster.makeTopics([
        { topic: world.topic, numPartitions: world.workload.partitions, replicationFactor: 3 },
      ])
    })
    const before = world.live.outcomes
    const messages = Array.from({ length: 60 }, (_, n) => rawMessage(world, `again-${n}`, `k-${n}`))
    await world.writeRaw(messages)
    const isHandled = (): boolean => world.live.outcomes >= before + messages.length
    const isTold = (): boolean =>
      world.fleet.consumers.some(({ proc }) => world.live.health.get(proc)?.startsWith('unhealthy') === true)
    await world.until('the handling of the new records, or a complaint', () => isHandled() || isTold())
  },
}

/** Dead letters cannot be written for a while, and somebody else has no topic for them at all. */
export const deadLettersUnwritable: Scenario = {
  number: 21,
  name: 'dead-letters-unwritable',
  about:
    'The dead letter topic takes nothing for ten seconds: partitions wait, nothing is dropped. A service without one does not start.',
  seconds: 60,
  workload: { fates: { poison: 60, flaky: 20 } },
  expectations: { allowedExits: [0, 3], requiredCounters: ['parked'], livenessBoundMs: 90_000 },
  async inject(world) {
    const { admin } = world.cluster
    const lonely = `${world.topic}-lonely`
    await world.cluster.makeTopics([{ topic: lonely, numPartitions: 1, replicationFactor: 3 }])
    const worker = await world.startConsumer('lonely', { topic: lonely, group: `${lonely}-group` })
    const end = await Promise.race([worker.child.exited, world.pause(30_000).then(() => null)])
    if (end?.code !== 3) throw new Error('a service without a dead letter topic did not refuse to start')
    await admin.deleteTopics({ topics: [lonely] })

    await world.nemesis.during(
      'dead letters refused',
      world.deadLetterTopic,
      async () => {
        await setTopic(world, world.deadLetterTopic, { 'min.insync.replicas': '4' }) // more than there are: nothing is acknowledged
        return () => setTopic(world, world.deadLetterTopic, { 'min.insync.replicas': '2' })
      },
      () => world.pause(10_000),
    )
    const before = world.live.parked
    await world.until('that parking goes on', () => world.live.parked > before)
  },
}

/** Dead letters carry more headers than their records: what fitted the topic does not fit its dead letter topic. */
export const deadLettersTooLarge: Scenario = {
  number: 22,
  name: 'dead-letters-too-large',
  about:
    'Dead letters are larger than their topic takes: they lose the stack of their error, and no byte of the record.',
  seconds: 35,
  workload: {
    fates: { poison: 100 },
    padBytes: 1_000,
    deadLetterSettings: { 'max.message.bytes': '2700' },
  },
  expectations: { requiredCounters: ['parked'] },
  async inject(world) {
    const before = world.live.parked
    await world.until('that many are parked', () => world.live.parked >= before + 40)
  },
}

/** Messages that the broker does not take for their size, among others that it does. */
export const messagesTooLarge: Scenario = {
  number: 23,
  name: 'messages-too-large',
  about: 'Each fortieth message is larger than the broker takes: its send fails by name, and no neighbour with it.',
  seconds: 30,
  workload: { oversized: { every: 40, bytes: 300_000 }, topicSettings: { 'max.message.bytes': '100000' } },
  expectations: { allowedProduceFailures: ['HOLDFAST_RECORD_TOO_LARGE'] },
  async inject(world) {
    await world.pause(8_000)
  },
  async verify(world) {
    return world.live.count('produce-fail') > 0 ? [] : ['no send failed for its size: the fault never happened']
  },
}

/** Bytes of strangers: not JSON, cut, of another shape, forged. */
export const corruptBytes: Scenario = {
  number: 25,
  name: 'corrupt-bytes',
  about:
    'A stranger writes what cannot be read: it is parked at once with its bytes unchanged, and nothing forged is believed.',
  seconds: 35,
  expectations: { requiredCounters: ['parked'] },
  async inject(world) {
    const values: readonly (Buffer | string | null)[] = [
      'no json at all',
      '{"value":"cut',
      '{"value":1,"key":"k"}',
      '',
      null,
      Buffer.from([0xff, 0xfe, 0x00, 0x80]),
      Buffer.from([0, 0, 0, 0, 7, 1, 2, 3]), // the frame of a schema registry, with an id that nobody knows
      '\uFEFF{}',
      '{"__proto__":{"polluted":true}}',
      '['.repeat(5_000),
    ]
    const before = world.live.parked
    await world.nemesis.once('unreadable records', world.topic, async () => {
      const forged = { 'holdfast-dlq-topic': 'somewhere-else', 'holdfast-dlq-attempts': '-1', traceparent: 'nonsense' }
      await world.writeRaw(
        Array.from({ length: 40 }, (_, n) => ({
          key: `k-${n}`,
          value: values[n % values.length]!,
          headers: { [VALUE_HEADER]: `corrupt-${n}`, ...(n % 2 === 0 ? forged : {}) },
        })),
      )
      await world.until('that they are parked', () => world.live.parked >= before + 36) // all but the tombstones
    })
  },
}

/** The log was cut while nobody read: committed offsets point to what is gone. */
export const offsetOutOfRange: Scenario = {
  number: 26,
  name: 'offset-out-of-range',
  about: 'Records are deleted that the group has not read: it stops and says so; told to, it goes on behind the gap.',
  seconds: 60,
  workload: { fates: { flaky: 20 } },
  expectations: { group: { mayReset: true }, requiredCounters: ['reset'] },
  async inject(world) {
    await world.fleet.stopAll('producer')
    await untilRead(world)
    await world.fleet.stopAll('consumer')
    await world.nemesis.once('records deleted', world.topic, async () => {
      await world.writeRaw(Array.from({ length: 120 }, (_, n) => rawMessage(world, `gone-${n}`, `k-${n}`)))
      const ends = await world.cluster.admin.fetchTopicOffsets(world.topic)
      await world.cluster.admin.deleteTopicRecords({
        topic: world.topic,
        partitions: ends.map(({ partition, high }) => ({ partition, offset: high })),
      })
      await world.writeRaw(Array.from({ length: 120 }, (_, n) => rawMessage(world, `kept-${n}`, `k-${n}`)))
    })
    const careful = await world.startConsumer('careful')
    await world.until('that a member says what is gone', () =>
      (world.live.health.get(careful.proc) ?? '').includes('is not on the log'),
    )
    await world.fleet.stop(careful)
    const tuning = { ...world.workload.consumer, onOutOfRange: 'earliest' as const }
    for (let n = 1; n <= 2; n++) await world.startConsumer(`told-${n}`, { consumer: tuning })
    await world.until(
      'that all partitions go on behind the gap',
      () => world.live.count('reset') >= world.workload.partitions,
    )
  },
}

/** What the group has committed is gone. */
export const groupDeleted: Scenario = {
  number: 27,
  name: 'group-deleted',
  about:
    'The group is deleted while it rests: it begins at the beginning, and the inbox knows everything that was done before.',
  seconds: 50,
  workload: { fates: { flaky: 20 } },
  expectations: { group: { mayReset: true }, requiredCounters: ['dedupeHit', 'reset'] },
  async inject(world) {
    await world.fleet.stopAll('producer')
    await untilRead(world)
    await world.fleet.stopAll('consumer')
    const { admin } = world.cluster
    await world.nemesis.once('group deleted', world.group, async () => {
      const [commits] = await admin.fetchOffsets({ groupId: world.group, topics: [world.topic] })
      await admin.deleteGroups([world.group])
      const { group, topic } = world
      for (const { partition, offset } of commits!.partitions) {
        world.journal.write({ f: 'reset', group, topic, partition, from: BigInt(offset), to: 0n, why: 'group deleted' })
      }
    })
    for (let n = 4; n <= 5; n++) await world.startConsumer(`consumer-${n}`)
    await world.until('that they have all partitions', () => world.live.owners.size === world.workload.partitions)
  },
}

async function untilRead(world: World): Promise<void> {
  const left = await untilNoLag(world, 30_000)
  if (left > 0n) throw new Error(`${left} records were not read within 30 s, before any fault`)
}

/** The same message several times on the log, with one id. */
export const duplicateDeliveries: Scenario = {
  number: 38,
  name: 'duplicate-deliveries',
  about: 'A stranger writes each message three times under one id: it has one effect, and the repeats are counted.',
  seconds: 35,
  workload: { dedupe: { kind: 'memory' }, fates: {} },
  expectations: { requiredCounters: ['dedupeHit'] },
  async inject(world) {
    const before = world.live.count('dedupe')
    await world.nemesis.once('repeats', world.topic, async () => {
      for (let round = 0; round < 3; round++) {
        await world.writeRaw(
          Array.from({ length: 50 }, (_, n) => rawMessage(world, `again-${n}`, `k-${n % 48}`, `again-${n}`)),
        )
      }
      await world.until('that the repeats are recognised', () => world.live.count('dedupe') >= before + 100)
    })
  },
}
