import { describeForLog, HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Subscription } from './subscription.ts'

/**
 * Asks each dedupe store once whether it can keep its promises. One that does not answer stops nobody: what needs it waits for it, as it
 * would an hour later.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export async function checkStores(subscriptions: Iterable<Subscription>, logger: Logger): Promise<void> {
  const stores = new Set([...subscriptions].flatMap(({ dedupe }) => dedupe?.store ?? []))
  await Promise.all(
    Array.from(stores, async (store) => {
      try {
        await store.check?.()
      } catch (error) {
        if (!HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE')) throw error
        logger.warn({ error: describeForLog(error) }, 'a dedupe store does not answer: its messages wait until it does')
      }
    }),
  )
}
