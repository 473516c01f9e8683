import type { Consumer } from 'holdfast'
import type { LoadedConfiguration } from './load-configuration.ts'
import { unfit } from './load-configuration.ts'
import { makeConfigured } from './make-configured.ts'

/**
 * The consumers that a configuration exports, none of them started.
 *
 * @throws HOLDFAST_CONFIG_INVALID, listing everything that is none. What a function that makes them has thrown is the `cause`.
 */
export async function configuredConsumers(
  { file, config }: LoadedConfiguration,
  signal: AbortSignal,
): Promise<readonly Consumer[]> {
  if (file === null)
    throw unfit('there is no configuration', [
      { path: '--config', message: 'name a file, or write holdfast.config.mjs that exports consumers' },
    ])
  const { consumers } = config
  const made = typeof consumers === 'function' ? await makeConfigured(consumers, 'consumers', file, signal) : consumers
  if (!Array.isArray(made) || made.length === 0)
    throw unfit(`${file} has no consumers`, [
      { path: 'consumers', message: 'must be an array of one consumer or more, or a function that makes one' },
    ])
  const problems = made.flatMap((each: unknown, i) => {
    const message = whyNot(each)
    return message === null ? [] : [{ path: `consumers[${i}]`, message }]
  })
  if (problems.length > 0) throw unfit(`${file} does not fit`, problems)
  return made as readonly Consumer[]
}

function whyNot(given: unknown): string | null {
  const isConsumer = ['plan', 'health'].every((method) => typeof Reflect.get(Object(given), method) === 'function')
  if (!isConsumer) return 'is no consumer that createConsumer of this version has made'
  // One that has joined its group takes partitions from those that do the work.
  return (given as Consumer).health().state === 'new'
    ? null
    : 'was started, or closed, while the configuration was loaded: export it, and start it elsewhere'
}
