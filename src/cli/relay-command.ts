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
  let endedBy: 'signal' | 'empty'
  try {
    await untilStopped(relay.start(), signal)
    progress.started()
    const stopped = new Promise<'signal'>((resolve) => {
      if (signal.aborted) resolve('signal')
      signal.addEventListener('abort', () => resolve('signal'), { once: true })
    })
    const ends = options.untilEmpty === true ? [stopped, relay.drained().then(() => 'empty' as const)] : [stopped]
    endedBy = await Promise.race(ends)
  } finally {
    await relay.close()
    progress.ended()
  }
  if (relay.health().underWay > 0) return EXIT.broken // what Kafka has of these is not known: they are sent again
  return options.untilEmpty === true && endedBy === 'signal' ? EXIT.stopped : EXIT.fine
}
