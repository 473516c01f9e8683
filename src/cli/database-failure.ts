import { HoldfastError } from 'holdfast'
import type { DatabaseAddress } from './database-address.ts'

/** What a client says, in a sentence without secrets. @param after - what is to be said with it */
export function databaseFailure(error: unknown, address: DatabaseAddress, after = ''): HoldfastError {
  const said = address.hide(messagesOf(error).join('; ') || 'the connection failed')
  return new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', `${address.shown}: ${said}${after}`)
}

/** Of several addresses of a host each has its own failure, and the whole has no message. */
function messagesOf(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(messagesOf)
  return error instanceof Error && error.message !== '' ? [error.message] : []
}
