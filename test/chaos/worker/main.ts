import { join } from 'node:path'
import { openJournal } from '../history/index.ts'
import { runConsumer } from './consumer-worker.ts'
import { runEnqueuer } from './enqueuer-worker.ts'
import { runProducer } from './producer-worker.ts'
import { runRelay } from './relay-worker.ts'
import { moveWallClock } from './wall-clock.ts'
import { readWorkerConfig } from './worker-config.ts'

// A service in a process of its own, to be killed, stopped and cut off: it writes down all that it does, line by line, before it goes on.
const config = readWorkerConfig(process.env)
const journal = openJournal(join(config.history, `${config.proc}.jsonl`), config.proc)
const { role } = config
journal.write({ f: 'start', role })
if (config.wallClock !== undefined) moveWallClock(config.wallClock, journal)

/** An error that nobody caught has no business here: the library takes care of its own. */
const UNHANDLED = 70
for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(event, (error: unknown) => {
    const unhandled = error instanceof Error ? error.name : typeof error
    journal.write({
      f: 'log',
      level: 'error',
      text: error instanceof Error ? (error.stack ?? error.message) : unhandled,
    })
    journal.write({ f: 'stop', role, exitCode: UNHANDLED, unhandled })
    process.exit(UNHANDLED)
  })
}

const stopping = new AbortController()
process.on('SIGTERM', () => stopping.abort())
process.on('SIGINT', () => undefined) // Ctrl-C is for the machine, which stops its workers in order

const exitCode = await run()
journal.write({ f: 'stop', role, exitCode })
process.exit(exitCode) // what still holds the loop open would be a leak, and stands in the last `resources`

function run(): Promise<number> {
  switch (config.role) {
    case 'producer':
      return runProducer(config, journal, stopping.signal)
    case 'consumer':
      return runConsumer(config, journal, stopping.signal)
    case 'enqueuer':
      return runEnqueuer(config, journal, stopping.signal)
    case 'relay':
      return runRelay(config, journal, stopping.signal)
  }
}
