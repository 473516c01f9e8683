import type { Relay } from 'holdfast'
import type { LoadedConfiguration } from './load-configuration.ts'
import { unfit } from './load-configuration.ts'
import { makeConfigured } from './make-configured.ts'

/**
 * The relay that a configuration exports, not started.
 *
 * @throws HOLDFAST_CONFIG_INVALID. What a function that makes it has thrown is the `cause`.
 */
export async function configuredRelay({ file, config }: LoadedConfiguration, signal: AbortSignal): Promise<Relay> {
  if (file === null)
    throw unfit('there is no configuration', [
      { path: '--config', message: 'name a file, or write holdfast.config.mjs that exports a relay' },
    ])
  const { relay } = config
  if (relay === undefined)
    throw unfit(`${file} has no relay`, [
      { path: 'relay', message: 'must be what createRelay gives, or a function that makes it' },
    ])
  const made: unknown = typeof relay === 'function' ? await makeConfigured(relay, 'relay', file, signal) : relay
  const isRelay = ['start', 'health', 'listen', 'drained', 'close'].every(
    (method) => typeof Reflect.get(Object(made), method) === 'function',
  )
  if (!isRelay)
    throw unfit(`${file} does not fit`, [
      { path: 'relay', message: 'is no relay that createRelay of this version has made' },
    ])
  if ((made as Relay).health().state !== 'new')
    throw unfit(`${file} does not fit`, [
      { path: 'relay', message: 'was started, or closed, while the configuration was loaded: export it, and no more' },
    ])
  return made as Relay
}
