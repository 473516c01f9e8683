// npm run bench [-- NAME …] [--rounds N] [--short] [--json]
//
// Measures Holdfast and what a user would take instead, side by side in one run on the same broker: after a warm-up, alternating rounds,
// the ratio of the medians. Figures of different runs or machines say nothing about each other.
import { parseArgs } from 'node:util'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { silentLogger, systemRuntime } from 'holdfast'
import { startServices } from '../scripts/services/index.ts'
import type { Bench, BenchRow } from './bench.ts'
import { machine, versions } from './machine.ts'
import { measure, perSecond } from './measure.ts'
import { sendMany, sendManyBatched, sendManySameRecords, sendOne } from './sending.ts'

const benches: readonly Bench[] = [sendOne, sendMany, sendManyBatched, sendManySameRecords]
const names = [...new Set(benches.map((bench) => bench.name))]
const USAGE = `usage: npm run bench [-- NAME …] [--rounds N] [--short] [--json]
  NAME        ${names.join(', ')}; all when none is named
  --rounds N  alternating rounds after the warm-up (default 5)
  --short     a tenth of the work and one round: shows that the benches run, not how fast
  --json      ends with one line of JSON on standard output`

const args = readArgs()
const progress = (line: string): void => void process.stderr.write(`${line}\n`)
const services = await startServices({ kafka: {}, onProgress: progress })
try {
  const brokers = services.kafka!.brokers
  const admin = kafkajsDriver({ clientId: 'bench-admin', brokers }).createAdmin({
    runtime: systemRuntime,
    logger: silentLogger,
  })
  await admin.connect()
  const run = systemRuntime.ids().slice(0, 13)
  let made = 0
  const world = {
    brokers,
    shorten: args.short ? 10 : 1,
    async topic(partitions: number) {
      const topic = `bench-${run}-${made++}`
      await admin.createTopics([{ topic, partitions }])
      return topic
    },
  }
  const wanted = benches.filter((bench) => args.names.length === 0 || args.names.includes(bench.name))
  const rows: BenchRow[] = []
  for (const bench of wanted) rows.push(await measure(bench, world, args.rounds, progress))
  await admin.close()
  print(wanted, rows, services.kafka!.how)
} finally {
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
    const unknown = positionals.filter((name) => !names.includes(name))
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

function print(wanted: readonly Bench[], rows: readonly BenchRow[], how: string): void {
  const { cpu, cores, memoryGb } = machine()
  const used = versions(how)
  const lines = rows.map((row, i) => [
    row.work,
    perSecond(row.ours),
    row.peerName,
    perSecond(row.peer),
    `${row.ratio.toFixed(2)} ×`,
    `${wanted[i]!.reach} ×`,
  ])
  const table = [['work', 'holdfast', 'peer', 'its rate', 'ratio', 'wanted'], ...lines]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)))
  for (const line of table)
    console.log(
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
  console.log(
    `\n${cores} cores of ${cpu}, ${memoryGb} GB; ${Object.entries(used)
      .map((entry) => entry.join(' '))
      .join(', ')}`,
  )
  if (args.short) console.log('A short run: these figures say only that the benches run.')
  if (args.json) console.log(JSON.stringify({ machine: machine(), versions: used, rows }))
}
