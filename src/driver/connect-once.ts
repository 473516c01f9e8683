import type { DriverProducer } from './driver-producer.ts'

/** The one connect of a producer that all calls share; after a failure the next call tries anew. */
export function connectOnce(producer: Pick<DriverProducer, 'connect'>): () => Promise<void> {
  let connecting: Promise<void> | undefined
  return () => {
    connecting ??= producer.connect().catch((error: unknown) => {
      connecting = undefined
      throw error
    })
    return connecting
  }
}
