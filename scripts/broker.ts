// `npm run broker`: real Kafka, and PostgreSQL and Redis when asked for, until Ctrl-C or until the caller is gone.
import kafkajs from 'kafkajs'
import { printAddresses } from './broker-output.ts'
import { parseBrokerArgs, USAGE } from './broker-args.ts'
import { startServices, watchParent } from './services/index.ts'
import type { Services } from './services/index.ts'

const args = parseBrokerArgs(process.argv.slice(2))
if (args.kind === 'help') {
  console.log(USAGE)
  process.exit(0)
}
if (args.kind === 'wrong') {
  console.error(`${args.problems.join('\n')}\n\n${USAGE}`)
  process.exit(2)
}

let services: Services | undefined
let stoppingSince: number | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(signal))
watchParent(() => void stop('parent'))

const progress = (line: string): void => {
  process.stderr.write(`${line}\n`)
}
process.stderr.on('error', () => undefined) // the caller may close our output before it ends us
process.stdout.on('error', () => undefined)

try {
  services = await startServices({
    kafka: { nodes: args.nodes },
    postgres: args.postgres,
    redis: args.redis,
    onProgress: progress,
  })
  if (args.topics.length > 0) await makeTopics(services.kafka!.brokers, args.topics)
  if (stoppingSince === undefined) printAddresses(services, args.json)
} catch (error) {
  if (stoppingSince === undefined) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}

/** Those that are there already stay as they are. */
async function makeTopics(brokers: string[], topics: readonly string[]): Promise<void> {
  const admin = new kafkajs.Kafka({ clientId: 'broker-script', brokers, logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: topics.map((topic) => ({ topic, numPartitions: 3 })) })
  await admin.disconnect()
  progress(`kafka: made ${topics.join(', ')}`)
}

/** The first signal stops in order; a second one ends at once, and the servers' guards do the rest. */
async function stop(reason: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'parent'): Promise<void> {
  if (stoppingSince !== undefined) {
    // The terminal, npm and tsx each pass on the same Ctrl-C: what comes at once is one signal.
    if (reason !== 'parent' && performance.now() - stoppingSince > 300) process.kill(process.pid, 'SIGKILL')
    return
  }
  stoppingSince = performance.now()
  progress(reason === 'parent' ? 'the caller is gone, stopping' : 'stopping')
  await services?.close() // a start that still runs is not waited for: the guards end what it has started so far
  process.exit(reason === 'parent' ? 1 : 0)
}
