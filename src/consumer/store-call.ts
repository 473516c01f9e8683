import type { Clock } from '../clock/index.ts'
import { HoldfastError } from '../errors/index.ts'
import { within } from './within.ts'

/**
 * A call of a dedupe store that is given up when it takes longer than `ms`: a store that never settles would stall its partition, and
 * every rebalance behind it. The call itself goes on, and may take effect later.
 *
 * @throws HOLDFAST_STORE_UNAVAILABLE, retriable, when time is up; else what the call throws.
 */
export async function storeCall<T>(clock: Clock, ms: number, call: Promise<T>): Promise<T> {
  if (await within(clock, ms, Promise.resolve(call))) return call
  throw new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', `the dedupe store has not answered for ${ms} ms`, {
    retriable: true,
  })
}
