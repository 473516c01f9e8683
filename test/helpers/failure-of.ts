import { HoldfastError } from '../../src/errors/index.ts'

/** How a call failed. */
export async function failureOf(work: Promise<unknown>): Promise<HoldfastError> {
  try {
    await work
  } catch (error) {
    if (HoldfastError.is(error)) return error
    throw error
  }
  throw new Error('did not fail')
}
