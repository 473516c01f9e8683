import { configuredRelay } from './configured-relay.ts'
import { EXIT } from './exit-codes.ts'
import { loadConfiguration, untilStopped } from './load-configuration.ts'
import { relayProgress } from './relay-progress.ts'
import type { CliSurroundings } from './surroundings.ts'

/** What `holdfast outbox relay` takes. */
export interface RelayCommandOptions {
  readonly config?: string
  readonly json?: boolean
  readonly untilEmpty?: boolean
}

/**
 * Runs the relay of the configuration until a signal, or until nothing waits. It then lets what is under way end, and gives its buckets back; killed
 * instead, its buckets go to others when its lease has run out, and rows whose mark was not written are sent again.
 */
export async function relayCommand(options: RelayCommandOptions, surroundings: CliSurroundings): Promise<number> {
  const { signal } = surroundings
  const relay = await configuredRelay(await loadConfiguration(surroundings, options.config), signal)
  const progress = relayProgress(relay, options.json === true, surroundings)
  let isEmpty = false
  try {
    await untilStopped(relay.start(), signal)
    progress.started()
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const empty = options.untilEmpty === true ? relay.drained().then(() => (isEmpty = true)) : stopped
    await Promise.race([empty, stopped])
  } finally {
    await relay.close()
    progress.ended()
  }
  if (relay.health().underWay > 0) return EXIT.broken // what Kafka has of these is not known: they are sent again
  return options.untilEmpty === true && !isEmpty ? EXIT.stopped : EXIT.fine
}
