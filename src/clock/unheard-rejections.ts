/**
 * Hears, in place of everybody else in this thread, of promises that reject while nobody listens: what would end a service. For simulations, to
 * which such a rejection is a finding; nothing else should need it.
 *
 * @returns a function that ends that, and lets those who listened before listen again.
 */
export function hearUnheardRejections(listener: (error: unknown) => void): () => void {
  const before = process.listeners(EVENT)
  process.removeAllListeners(EVENT)
  process.on(EVENT, listener)
  return () => {
    process.removeListener(EVENT, listener)
    for (const each of before) process.on(EVENT, each)
  }
}

const EVENT = 'unhandledRejection'
