// npm run bench [-- NAME …] [--rounds N] [--short] [--json]
//
// A NAME is that of a bench, or the beginning of several: `outbox` is all of the outbox.
//
// Measures Holdfast and what it is compared with, side by side in one run on the same broker: after a warm-up, alternating rounds, the
// ratio of the medians. Figures of different runs or machines say nothing about each other.
import { parseArgs } from 'node:util'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { silentLogger, systemRuntime } from 'holdfast'
import type { PostgresServer, Services } from '../scripts/services/index.ts'
import { startPostgresServer, startServices } from '../scripts/services/index.ts'
import type { Bench, BenchRow } from './bench.ts'
import { consumeBuffered, consumeHeap, consumeKeys, consumePartitions } from './consuming-costs.ts'
import {
  consumeGuarded,
  consumeIo100,
  consumeIo1000,
  consumeKeyedTrivial,
  consumeTrivial,
  consumeTrivialHeaders,
} from './consuming.ts'
import type { Servers } from './consumer-spec.ts'
import { deliveryLevels, idempotencyInbox, idempotencyInboxBatch, idempotencyStores } from './idempotency.ts'
import { machine, versions } from './machine.ts'
import { measure } from './measure.ts'
import { outbox } from './outbox/index.ts'
import { freeCores, pinCores } from './pinning.ts'
import { createRecords } from './records.ts'
import { sendMany, sendManyBatched, sendManySameRecords, sendOne } from './sending.ts'
import { UNITS, wanted } from './units.ts'

const sending = [sendOne, sendMany, sendManyBatched, sendManySameRecords]
const consuming = [
  consumeTrivial,
  consumeTrivialHeaders,
  consumeGuarded,
  consumeIo100,
  consumeIo1000,
  consumeKeyedTrivial,
]
const idempotency = [...idempotencyStores, idempotencyInbox, idempotencyInboxBatch, ...deliveryLevels]
const costs = [consumeHeap, consumeBuffered, consumeKeys, consumePartitions]
const benches: readonly Bench[] = [...sending, ...consuming, ...idempotency, ...costs, ...outbox]
const names = [...new Set(benches.map((bench) => bench.name))]
const USAGE = `usage: npm run bench [-- NAME …] [--rounds N] [--short] [--json]
  NAME        ${names.join(', ')}, or what several begin with, up to a hyphen; all when none is named
  --rounds N  alternating rounds after the warm-up (default 5)
  --short     a twentieth of the work, no warm-up, one round, and of benches that are alike only one: shows that they run, not
              how fast
  --json      ends with one line of JSON on standard output`

const args = readArgs()
const progress = (line: string): void => void process.stderr.write(`${line}\n`)
const services = await startServices({ kafka: {}, onProgress: progress })
let stores: Services | null = null
let durable: PostgresServer | null = null
try {
  const { brokers, nodes, how } = services.kafka!
  const brokerPids = nodes.map((node) => node.pid)
  let pinned = await pinCores(brokerPids)
  const admin = kafkajsDriver({ clientId: 'bench-admin', brokers }).createAdmin({
    runtime: systemRuntime,
    logger: silentLogger,
  })
  await admin.connect()
  const run = systemRuntime.ids().slice(0, 13)
  let made = 0
  const topic = async (partitions: number): Promise<string> => {
    const name = `bench-${run}-${made++}`
    await admin.createTopics([{ topic: name, partitions }])
    return name
  }
  const records = createRecords(brokers, topic, progress)
  const servers = async (): Promise<Servers> => {
    stores ??= await startServices({ postgres: true, redis: true, onProgress: progress })
    return { postgres: stores.postgres!.url, redis: stores.redis!.url }
  }
  // The log is large enough that no checkpoint comes in the middle of a round.
  const settings = { wal_level: 'logical', max_wal_size: '8GB', checkpoint_timeout: '1h' }
  const durablePostgres = async (): Promise<string> => (durable ??= await startPostgresServer(progress, settings)).url
  const world = {
    brokers,
    servers,
    durablePostgres,
    shorten: args.short ? 20 : 1,
    progress,
    topic,
    records: records.atLeast,
  }
  const rows: BenchRow[] = []
  const isChosen = (bench: Bench): boolean =>
    args.names.length === 0 ? !(args.short && bench.variant === true) : args.names.some((name) => isNamed(bench, name))
  const chosen = benches.filter(isChosen)
  if (chosen.every((bench) => bench.pinned === false)) pinned = 'nothing is pinned'
  else if (chosen.some((bench) => bench.pinned === false)) pinned = `${pinned}; of the outbox nothing is pinned`
  for (const bench of chosen) {
    if (bench.pinned === false) await freeCores(brokerPids)
    rows.push(...(await measure(bench, world, args.rounds)))
    if (bench.pinned === false) await pinCores(brokerPids)
  }
  await records.close()
  await admin.close()
  await print(rows, how, pinned)
} finally {
  await (stores as Services | null)?.close()
  await (durable as PostgresServer | null)?.close()
  await services.close()
}

function readArgs(): { names: readonly string[]; rounds: number; short: boolean; json: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        short: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const unknown = positionals.filter((name) => !benches.some((bench) => isNamed(bench, name)))
    if (unknown.length > 0) throw new Error(`no bench is called ${unknown.join(', ')}`)
    const rounds = Number(values.rounds ?? (values.short ? 1 : 5))
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
      throw new Error('--rounds takes a whole number from 1 to 100')
    return { names: positionals, rounds, short: values.short, json: values.json }
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

function isNamed(bench: Bench, name: string): boolean {
  return bench.name === name || bench.name.startsWith(`${name}-`)
}

async function print(rows: readonly BenchRow[], how: string, pinned: string): Promise<void> {
  const { cpu, cores, memoryGb } = machine()
  const used = await versions(how)
  const lines = rows.map(({ work, unit, ours, peerName, peer, ratio, reach, reached }) => [
    work,
    UNITS[unit].text(ours),
    peerName,
    UNITS[unit].text(peer),
    `${ratio.toFixed(2)} ×`,
    `${wanted(unit, reach)}${reached ? '' : ', missed'}`,
  ])
  const table = [['work', 'Holdfast', 'beside', 'which is', 'ratio', 'wanted'], ...lines]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)))
  const markdown = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const [head, ...rest] = table.map((line) => markdown(line.map((cell, column) => cell.padEnd(widths[column]!))))
  console.log([head, markdown(widths.map((width) => '-'.repeat(width))), ...rest].join('\n'))
  const about = Object.entries(used).map((entry) => entry.join(' '))
  console.log(`\n${cores} cores of ${cpu}, ${memoryGb} GB; ${pinned}; ${about.join(', ')}`)
  if (args.short) console.log('A short run: these figures say only that the benches run.')
  if (args.json) console.log(JSON.stringify({ machine: machine(), pinned, versions: used, rows }))
}
