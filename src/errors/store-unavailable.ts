import { HoldfastError } from './holdfast-error.ts'

/**
 * What a store that cannot go on says.
 *
 * @param cause - what the client threw; its message may hold keys, so it is never ours
 */
export function storeUnavailable(store: string, cause: unknown): HoldfastError {
  return new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', `${store} does not answer, or not as it should`, {
    retriable: true,
    cause,
  })
}
