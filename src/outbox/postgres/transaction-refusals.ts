import { HoldfastError } from '../../errors/index.ts'

/** It may have been a transaction. Nothing was stored. */
export function noOpenTransaction(cause?: unknown): HoldfastError {
  return refusal('no transaction is open on it: it has not begun, has ended, or has failed', cause)
}

/** It is a pool, or a client or database, and never was a transaction. Nothing was stored. @param needed - what is */
export function noTransaction(needed: string): HoldfastError {
  return refusal(
    `${needed} is needed: what is stored outside of a transaction is sent although the change that it tells of is rolled back`,
  )
}

function refusal(message: string, cause?: unknown): HoldfastError {
  const problems = [{ path: 'transaction', message }]
  return new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the message was not stored', {
    problems,
    ...(cause !== undefined && { cause }),
  })
}
