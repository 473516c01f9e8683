import { describeForLog, HoldfastError } from '../errors/index.ts'
import type { ConsumerSettings } from './consumer-settings.ts'
import { handlersOfInboxes } from './inbox-handlers.ts'
import type { Subscription } from './subscription.ts'

/**
 * Asks each dedupe store and each inbox once whether it can keep its promises. One that does not answer stops nobody: what needs it waits
 * for it, as it would an hour later.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export async function checkStores(
  subscriptions: readonly Subscription[],
  { concurrency, logger }: Pick<ConsumerSettings, 'concurrency' | 'logger'>,
): Promise<void> {
  const stores = new Set(subscriptions.flatMap(({ dedupe }) => dedupe?.store ?? []))
  const inboxes = handlersOfInboxes(subscriptions, concurrency)

  const ask = async (check: Promise<void> | undefined): Promise<void> => {
    try {
      await check
    } catch (error) {
      if (!HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE')) throw error
      logger.warn({ error: describeForLog(error) }, 'a dedupe store does not answer: its messages wait until it does')
    }
  }
  await Promise.all([
    ...Array.from(stores, (store) => ask(store.check?.())),
    ...Array.from(inboxes, ([inbox, handlers]) => ask(inbox.check(handlers))),
  ])
}
