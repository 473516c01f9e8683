import { kafkajsDriver } from 'holdfast/kafkajs'
import { silentLogger, systemRuntime } from 'holdfast'
import { startServices } from '../scripts/services/index.ts'
import { pinCores } from './pinning.ts'
import { createRecords } from './records.ts'
import { startParallelConsumer } from './peers/parallel-consumer.ts'
import { startNodeConsumer } from './consumer-spec.ts'
const services = await startServices({ kafka: {}, onProgress: console.error })
const { brokers, nodes } = services.kafka!
console.log(await pinCores(nodes.map((n) => n.pid)))
const admin = kafkajsDriver({ clientId: 'a', brokers }).createAdmin({ runtime: systemRuntime, logger: silentLogger })
await admin.connect()
let i = 0
const records = createRecords(
  brokers,
  async (partitions) => {
    const t = `t${i++}`
    await admin.createTopics([{ topic: t, partitions }])
    return t
  },
  console.error,
)
const topic = await records.atLeast(6, 6000, 660_000)
for (const [concurrency, ioMs, count] of [
  [16, 0, 200000],
  [64, 0, 200000],
  [1000, 0, 200000],
  [100, 10, 50000],
  [1000, 10, 200000],
] as const) {
  const p = await startParallelConsumer({ brokers, topic, concurrency, ioMs }, console.error)
  for (let r = 0; r < 4; r++) {
    const t = Date.now()
    const { records: n, seconds } = await p.run(count)
    console.log('pc', concurrency, ioMs, Math.round(n / seconds), 'wall', Date.now() - t)
  }
  await p.close()
}
const p = startNodeConsumer({ side: 'kafkajs', brokers, topic, handler: 'trivial' })
for (let r = 0; r < 6; r++) {
  const t = Date.now()
  const c = await p.run(400000)
  console.log('bare', Math.round(c.records / c.seconds), 'cpu/wall', c.cpuSeconds! / c.seconds, 'wall', Date.now() - t)
}
await p.close()
await records.close()
await admin.close()
await services.close()
