import { readFile } from 'node:fs/promises'
import { Kafka, logLevel } from 'kafkajs'
import { Client } from 'pg'
import { OPENING_STOCK, PRICES_IN_CENTS } from '../../examples/order-processing/shared/catalogue.ts'
import type { Services } from '../services/index.ts'
import { DURABLE_REDIS, startRedisServer, startServices } from '../services/index.ts'
import type { Findings } from './audit.ts'
import { audit } from './audit.ts'
import { makeRoom, readLetters, readLog } from './cluster.ts'
import { journalEnd, readCommits } from './commit-journal.ts'
import { AT_MOST_ONCE, DUTIES, RELAY, SERVICES, WITH_INBOX } from './duties.ts'
import { createFleet } from './fleet.ts'
import { runAudits, verdictsOf } from './holdfast-audit.ts'
import type { Incident } from './incidents.ts'
import type { PlannedOrder } from './order-plan.ts'
import { planOrders } from './order-plan.ts'
import { createPace } from './pace.ts'
import { placeOrders } from './place-orders.ts'
import { progressLine } from './progress.ts'
import { isBroken, reportJson, reportTable } from './report.ts'
import { epitaph, startServiceProcess } from './service-processes.ts'
import { orStopped, withPatience } from './stopping.ts'
import { createDatabase, readTables } from './tables.ts'
import { drawTrace, readSpans, tellingTrace } from './trace-tree.ts'
import type { Redis, Trouble } from './troubles/index.ts'
import {
  beside,
  killAnalytics,
  killOrderApi,
  killPayment,
  killRelay,
  onceStruck,
  restartRedis,
  SCALED,
  scaleNotification,
  stopInventory,
} from './troubles/index.ts'
import { watchUntilRest } from './watch-until-rest.ts'

/** How the demo shall run. */
export interface DemoOptions {
  readonly orders: number
  readonly seed: number
  readonly serve: boolean
  readonly json: boolean
  readonly reset: boolean
  /** Where the services write their spans. */
  readonly traceFile: string
  /** Ends it early; everything that was started is stopped in any case. */
  readonly stop: AbortSignal
}

/** Seconds are enough; these are for machines that are busy with something else. */
const START_LIMIT_MS = 90_000
const READ_LIMIT_MS = 90_000
/** The least that Kafka takes, so that nobody has to wait for long until a killed process is replaced. */
const SESSION_TIMEOUT_MS = 6_000

/** In this order. Those of a line do not disturb each other, and take no longer together than one. */
const TROUBLES: readonly Trouble[] = [
  stopInventory,
  onceStruck(killPayment, (scene) => killOrderApi('outbox:before-commit', scene)),
  beside(restartRedis, (scene) => killRelay('relay:after-produce', scene)),
  onceStruck(killAnalytics, (scene) => killOrderApi('outbox:committed', scene)),
  beside(scaleNotification, (scene) => killRelay('relay:before-mark', scene)),
]

/** So often the troubles ask for `moreOrders`: whenever the order API or a relay is killed, and when members have joined. */
const MORE_ORDERS = 5

/**
 * Runs the whole demo and prints what came of it.
 *
 * @returns whether nothing was lost, doubled, out of order or misbooked.
 * @throws Error when it could not be run to its end, with the reason.
 */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { stop } = options
  const out = options.json ? process.stderr : process.stdout
  const progress = progressLine(out)
  const startedAt = performance.now()
  const say = (text: string): void => progress.note(`${`${seconds(startedAt)} s`.padStart(7)}  ${text}`)
  const undo: Array<() => Promise<unknown>> = []

  try {
    say('starting Kafka, PostgreSQL and Redis')
    const [services, redis] = await startAll(say, undo, stop)
    const brokers = services.kafka!.brokers
    const { url: databaseUrl, drop } = await createDatabase(services.postgres!.url)
    undo.push(drop)
    say(
      `Kafka at ${brokers.join(',')} (${services.kafka!.how}), PostgreSQL (${services.postgres!.how}), Redis (${redis.how})`,
    )

    const kafka = new Kafka({ clientId: 'demo', brokers, logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    undo.push(() => admin.disconnect())
    await makeRoom(admin, options.reset, say)
    const journalBegin = await journalEnd(admin)

    const environment = {
      KAFKA_BROKERS: brokers.join(','),
      DATABASE_URL: databaseUrl,
      REDIS_URL: redis.url,
      REDIS_PREFIX: `demo-${process.pid}-${Date.now()}:`, // a Redis that was given may know a former run's orders as done
      SEED: String(options.seed),
      TRACE_FILE: options.traceFile,
      SESSION_TIMEOUT_MS: String(SESSION_TIMEOUT_MS),
      NODE_OPTIONS: '',
    }
    const setup = await startServiceProcess('setup.ts', environment)
    undo.push(() => setup.stop())
    const setupExit = await orStopped(
      setup.child.exited,
      withPatience(stop, START_LIMIT_MS, 'setup.ts comes to no end'),
    )
    if (setupExit.code !== 0) throw new Error(await epitaph('setup', setup.child))
    await setup.stop()

    const connect = async (): Promise<Client> => {
      const client = new Client({ connectionString: databaseUrl })
      await client.connect()
      undo.push(() => client.end())
      return client
    }
    const database = await connect()

    const fleet = createFleet(environment, stop)
    undo.push(() => fleet.stopAll())
    for (const name of [...SERVICES.keys(), RELAY]) await fleet.start(name)
    say(`started ${fleet.running.size} processes; waiting until each service has its partitions`)
    const api = await fleet
      .first('order-api')
      .waitForLine(
        (line) => (line['message'] === 'listening' ? String(line['address']) : undefined),
        withPatience(stop, START_LIMIT_MS, 'the order API does not come up'),
      )
    await Promise.all([...fleet.running].map((service) => fleet.ready(service)))

    const pillProducer = kafka.producer({ allowAutoTopicCreation: false })
    await pillProducer.connect()
    undo.push(() => pillProducer.disconnect())

    const incidents: Incident[] = []
    const pace = createPace(options.orders, TROUBLES.length + MORE_ORDERS)
    const scene = {
      fleet,
      database: await connect(),
      redis,
      api,
      moreOrders: () => pace.nextLeg(),
      say,
      note: (incident: Incident) => incidents.push(incident),
      stop,
    }
    const placing = placeOrders(planOrders(options.orders, options.seed), pace, api, pillProducer, stop)
    placing.finished.catch(() => undefined) // seen below; a failed look at the tables must not leave it unhandled
    const watched = await watchUntilRest({
      database,
      admin,
      placing,
      fleet,
      progress,
      stop,
      orders: options.orders,
      troubles: TROUBLES.map(({ after, run }) => ({
        afterOrders: Math.max(1, Math.floor(after * options.orders)),
        async happen() {
          await run(scene)
          pace.nextLeg()
        },
      })),
    })
    const { problems } = await placing.finished
    progress.done()
    for (const line of watched.hanging) say(line)
    say('auditing the topics against the tables')

    const reading = withPatience(stop, READ_LIMIT_MS, 'the topics could not be read for the audit')
    const audited = runAudits({ brokers, databaseUrl }, reading)
    audited.catch(() => undefined) // seen below, unless something else fails before
    const tables = await readTables(database, OPENING_STOCK)
    const findings = audit(
      {
        ...tables,
        prices: PRICES_IN_CENTS,
        accepted: placing.accepted,
        givenUp: placing.givenUp,
        log: await orStopped(readLog(kafka, placing.pills), reading),
        letters: await orStopped(readLetters(kafka, tables.storedLetters), reading),
        commits: await orStopped(readCommits(kafka, journalBegin), reading),
        incidents,
      },
      DUTIES,
      { withInbox: WITH_INBOX, atMostOnce: AT_MOST_ONCE },
    )

    const { sentAgain } = findings.outbox
    const audits = verdictsOf(await audited, { pills: placing.pills, sentAgain })

    const delivered = placing.accepted.filter((orderId) => tables.states.get(orderId)?.state === 'delivered')
    const spans = readSpans(await readFile(options.traceFile, 'utf8').catch(() => ''))
    const traceId = tellingTrace(spans, delivered)
    const lines = [
      '',
      ...(traceId === undefined ? ['no trace was recorded'] : [`One order's trace (${traceId}):`, '']),
      ...(traceId === undefined ? [] : drawTrace(spans, traceId)),
      '',
      `Audit, seed ${options.seed}, ${seconds(startedAt)} s:`,
      '',
      ...reportTable(findings, SCALED),
      ...problems.map((problem) => `the API: ${problem}`),
      '',
      'What `holdfast audit` says:',
      '',
      ...audits.lines,
      '',
    ]
    out.write(`${lines.join('\n')}\n`)
    const outside = [...problems, ...watched.hanging, ...audits.problems]
    const sound = !isBroken(findings) && outside.length === 0
    out.write(sound ? 'Nothing is lost, nothing is doubled, nothing is out of order.\n' : 'FAILED: see above.\n')
    if (options.json) process.stdout.write(`${reportJson(findings, outside)}\n`)

    if (options.serve) await serve(api, findings, out, stop)
    return sound
  } finally {
    progress.done()
    for (const each of undo.toReversed()) {
      await each().catch((error: unknown) => process.stderr.write(`while cleaning up: ${String(error)}\n`))
    }
  }
}

/** Starts the servers. A Ctrl-C meanwhile ends this process, and the servers' guards end them. */
async function startAll(
  say: (text: string) => void,
  undo: Array<() => Promise<unknown>>,
  stop: AbortSignal,
): Promise<readonly [Services, DemoRedis]> {
  const starting = startServices({ kafka: { nodes: 1 }, postgres: true, onProgress: say })
  const startingRedis = startRedis(say)
  startingRedis.catch(() => undefined) // seen below, unless the others could not be started
  const services = await orStopped(starting, stop)
  undo.push(() => services.close())
  const redis = await orStopped(startingRedis, stop)
  undo.push(() => redis.close())
  return [services, redis]
}

interface DemoRedis extends Redis {
  readonly how: string
  close(): Promise<void>
}

/** One of the demo's own, that can be killed and keeps what it has acknowledged, unless one is given. */
async function startRedis(say: (text: string) => void): Promise<DemoRedis> {
  const given = process.env['REDIS_URL']
  if (given !== undefined && given !== '') {
    return { url: given, how: 'REDIS_URL', server: null, close: async () => undefined }
  }
  const server = await startRedisServer(say, DURABLE_REDIS)
  return { url: server.url, how: server.how, server, close: () => server.close() }
}

async function serve(api: string, findings: Findings, out: NodeJS.WriteStream, stop: AbortSignal): Promise<void> {
  const order: PlannedOrder = { orderId: 'my-order-1', customerId: 'ada', items: [{ sku: 'keyboard', quantity: 1 }] }
  out.write(
    `\nStill running, ${findings.orders} orders inside. Ctrl-C stops everything.\n\n` +
      `  ${api}\n\n` +
      `  curl -i ${api}/orders -H 'content-type: application/json' -d '${JSON.stringify(order)}'\n` +
      `  curl ${api}/orders/${order.orderId}\n` +
      `  curl ${api}/health\n\n`,
  )
  await new Promise<void>((resolve) => {
    const keepAlive = setInterval(() => undefined, 60_000)
    stop.addEventListener('abort', () => {
      clearInterval(keepAlive)
      resolve()
    })
  })
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}
