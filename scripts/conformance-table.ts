// `npm run conformance`: runs the driver suite on every driver and writes the table in docs/drivers.md.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { TestRunner } from '../src/testing/index.ts'
import { conformanceColumns, pageWith, renderTable, TABLE_PAGE, tableInPage } from './conformance/index.ts'
import { startServices } from './services/index.ts'

const USAGE = `Usage: npm run conformance [-- --check] [--json]

Runs the driver suite on the in-memory driver, and on kafkajs with a real Kafka, and writes the table in ${TABLE_PAGE}.

  --check   writes nothing; fails when the table in the page is another
  --json    writes nothing; the results as JSON on stdout
  --help    this text`

const SIDE_BY_SIDE = 5
const CASE_TIMEOUT_MS = 120_000

interface QueuedTest {
  readonly title: string
  readonly body: () => Promise<void>
}

const args = readArgs()
const queue: QueuedTest[] = []
const runner: TestRunner = {
  describe: (_name, body) => body(),
  test: (title, body) => void queue.push({ title, body }),
}
const services = await startServices({ kafka: {}, onProgress: (line) => process.stderr.write(`${line}\n`) })
process.exitCode = await judge().finally(() => services.close())
process.exit() // a client that was given up may still hold a socket

async function judge(): Promise<number> {
  const { brokers, how } = services.kafka!
  const columns = conformanceColumns({ inMemory: runner, kafkajs: runner, brokers: async () => brokers })
  const failures: string[] = []
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, () => work(failures)))

  if (args.json) {
    const plain = columns.map((column) => ({ ...column, results: column.results.map(withMessage) }))
    console.log(JSON.stringify(plain, null, 2))
  }
  if (failures.length > 0) {
    console.error(`broken:\n${failures.join('\n')}`)
    return 1
  }
  if (args.json && !args.check) return 0
  const table = await renderTable(columns)
  if (args.check) {
    if (table === tableInPage()) return 0
    console.error(`the table in ${TABLE_PAGE} is not what this run gives: \`npm run conformance\` writes it`)
    return 1
  }
  if (how === 'KAFKA_BROKERS') {
    console.error('the table names the version of Kafka that this project starts: unset KAFKA_BROKERS to write it')
    return 1
  }
  writeFileSync(TABLE_PAGE, pageWith(table))
  console.error(`${TABLE_PAGE}: written`)
  return 0
}

async function work(failures: string[]): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { title, body } = next
    await inTime(body()).catch((error: unknown) => failures.push(`${title}\n${String(error)}`))
  }
}

async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${CASE_TIMEOUT_MS} ms`)), CASE_TIMEOUT_MS)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

function withMessage<T extends { readonly outcome: { readonly kind: string } }>(result: T): unknown {
  const { outcome } = result
  return 'error' in outcome ? { ...result, outcome: { ...outcome, error: String(outcome.error) } } : result
}

function readArgs(): { readonly check: boolean; readonly json: boolean } {
  const flag = { type: 'boolean', default: false } as const
  try {
    const { values } = parseArgs({ options: { check: flag, json: flag, help: flag } })
    if (!values.help) return values
    console.log(USAGE)
    process.exit(0)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exit(2)
  }
}
