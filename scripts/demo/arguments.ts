import { parseArgs } from 'node:util'

/** What `npm run demo` was asked for. */
export type DemoArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] }
  | {
      readonly kind: 'run'
      readonly orders: number
      readonly seed: number
      readonly serve: boolean
      readonly json: boolean
      readonly reset: boolean
    }

/** The text of `--help`. */
export const USAGE: string = `Usage: npm run demo [-- --orders N] [--seed S] [--serve] [--json] [--reset]

Starts Kafka, PostgreSQL, Redis and the order-processing services, places orders with poison pills, short stock and flaky payments
among them. On the way it stops an inventory process in the middle of a booking until another has its partitions and wakes it up, kills
the payment service when money is taken and no row says so, the order API just before the commit of an order and just behind it, a relay of
the outbox when Kafka has its rows and nobody has marked them, Redis, and the service that counts at most once, and adds two members to the
notification service and takes them away. It waits until every order has ended, and audits the answers of the API, the rows of the outbox,
topics, tables, marks, and the books of the payment gateway and the mail server, by itself and with \`holdfast audit\`. Exit code 1 when anything is
lost, done twice, out of order, misbooked, sent without a row, or handled again or missed without a kill or stop that explains it.

  --orders N   how many orders, 1 to 100000 (default 300)
  --seed S     makes all that is random the same again, 0 to 999999999 (default 1)
  --serve      keeps everything running after the audit, until Ctrl-C
  --json       last line on stdout: { orders, outcomes, parked, lost, missed, repeated, doubled, parkedTwice, unexplained,
               outOfOrder, misbooked, unmarked, untold, commitsBack, outbox: { sent, sentAgain, missing, reordered,
               unfounded }, problems }; the rest goes to stderr
  --reset      first deletes the demo's topics and groups that a given cluster (KAFKA_BROKERS) still has from a former run
  --help       this text`

/** Reads the arguments; all problems are reported together. */
export function parseDemoArguments(args: readonly string[]): DemoArguments {
  const flag = { type: 'boolean' } as const
  const options = {
    orders: { type: 'string' },
    seed: { type: 'string' },
    serve: flag,
    json: flag,
    reset: flag,
    help: flag,
  } as const
  const { values, tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })

  const problems: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') problems.push(`unexpected argument: ${token.value}`)
    if (token.kind !== 'option') continue
    if (!(token.name in options)) problems.push(`unknown option: ${token.rawName}`)
    else if (options[token.name as keyof typeof options].type === 'boolean' && token.value !== undefined) {
      problems.push(`${token.rawName} takes no value`)
    }
  }
  const number = (name: 'orders' | 'seed', fallback: number, min: number, max: number): number => {
    const value = values[name]
    if (value === undefined) return fallback
    if (typeof value === 'string' && /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max) {
      return Number(value)
    }
    problems.push(`--${name} takes a whole number from ${min} to ${max}`)
    return fallback
  }
  const orders = number('orders', 300, 1, 100_000)
  const seed = number('seed', 1, 0, 999_999_999)

  if (problems.length > 0) return { kind: 'wrong', problems }
  if (values.help === true) return { kind: 'help' }
  return {
    kind: 'run',
    orders,
    seed,
    serve: values.serve === true,
    json: values.json === true,
    reset: values.reset === true,
  }
}
