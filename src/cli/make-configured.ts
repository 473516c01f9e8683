import { HoldfastError } from 'holdfast'
import { untilStopped } from './load-configuration.ts'

/**
 * Calls a function of a configuration that makes something.
 *
 * @param name - what the configuration calls it
 * @throws HOLDFAST_CONFIG_INVALID with what it has thrown as the `cause`; what stopped the command
 */
export async function makeConfigured(
  make: () => unknown,
  name: string,
  file: string,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    return await untilStopped(Promise.resolve(make()), signal)
  } catch (cause) {
    if (signal.aborted) throw cause
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', `${file}: ${name}() failed`, { cause })
  }
}
