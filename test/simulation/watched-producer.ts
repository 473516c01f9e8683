import type { DriverProducer, ProduceBatch } from '../../src/driver/index.ts'
import type { InboundRecord, TopicPartition } from '../../src/record/index.ts'
import { formatPartition, headerText } from '../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'

/** One produce call is under way in each partition at a time, and nothing is parked from a partition that is known to be gone. */
export function watchProducer(
  simulation: Simulation,
  process: SimulatedProcess,
  producer: DriverProducer,
  owns: (partition: TopicPartition) => boolean,
): DriverProducer {
  const busy = new Set<string>()

  const watched = async <T>(batch: ProduceBatch, produce: () => Promise<T>): Promise<T> => {
    const name = formatPartition(batch)
    simulation.note(`${process.name} produces ${batch.records.length} to ${name}`)
    if (busy.has(name)) simulation.violation('two-in-flight', `${process.name} has two produce calls to ${name}`)
    for (const { headers } of batch.records) {
      const origin = originOf(headers)
      if (origin !== null && !owns(origin))
        simulation.violation('stale-park', `${process.name} parks from ${formatPartition(origin)}, which is gone`)
    }
    busy.add(name)
    try {
      return await produce()
    } finally {
      busy.delete(name)
    }
  }

  return {
    ...producer,
    produce: (batch, options) => watched(batch, () => producer.produce(batch, options)),
    async begin() {
      const open = await producer.begin()
      return { ...open, produce: (batch, options) => watched(batch, () => open.produce(batch, options)) }
    },
  }
}

function originOf(headers: InboundRecord['headers']): TopicPartition | null {
  const topic = headerText(headers, 'holdfast-dlq-topic')
  return topic === undefined ? null : { topic, partition: Number(headerText(headers, 'holdfast-dlq-partition')) }
}
