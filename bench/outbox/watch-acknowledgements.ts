import type { Driver } from 'holdfast'

/** The same driver, which tells at once how many records a broker has acknowledged. */
export function watchAcknowledgements(driver: Driver, acknowledged: (records: number) => void): Driver {
  return {
    ...driver,
    createProducer(options) {
      const producer = driver.createProducer(options)
      return {
        ...producer,
        async produce(batch, produceOptions) {
          const outcomes = await producer.produce(batch, produceOptions)
          acknowledged(outcomes.filter(({ ok }) => ok).length)
          return outcomes
        },
      }
    },
  }
}
