import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { AnyScenario } from './scenario.ts'

/** What `npm run chaos` was asked for. */
export type ChaosArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'list' }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] }
  | ({ readonly kind: 'run' } & ChaosRequest)

/** A run. */
export interface ChaosRequest {
  readonly seed: number
  readonly minutes: number
  /** In this order; null: drawn from the seed until the minutes are over. */
  readonly faults: readonly AnyScenario[] | null
  readonly driver: string
  readonly json: boolean
}

/** The text of `--help`. */
export const CHAOS_USAGE: string = `usage: npm run chaos -- [--seed S] [--minutes M] [--faults A,B] [--driver D] [--smoke] [--relay] [--list] [--json]

Starts three brokers behind proxies, a database, and workers in processes of their own; does one thing after the other to them while they
work, and judges what they wrote down, the topics and the tables. Exit code 1 when a promise was broken, or when a run that should have met
something never did. Needs Java and Maven, as the broker tests do. Ctrl-C ends what runs and says what there was until then (130).

  --seed S      draws what happens, 0 to 999999999 (default: another one each time); a run with the same seed does the same again
  --minutes M   all of them, and again while there is time; begins nothing that would not end in it, but one thing at least (default 20)
  --faults A,B  these, by number or name, in this order, whatever time they take
  --smoke       the most telling eight, in less than seven minutes
  --relay       an outbox and four relays, killed, stopped and let go on every few seconds for as long as --minutes says (default 10)
  --driver D    the Kafka client of the workers (default kafkajs)
  --list        says what there is, and what cannot be done on this machine
  --json        last line on stdout: { valid, seed, scenarios, anomalies }; the rest goes to stderr
  --help        this text`

/** Reads the arguments; all problems are reported together. */
export function parseChaosArguments(
  args: readonly string[],
  known: {
    readonly scenarios: readonly AnyScenario[]
    readonly smoke: readonly string[]
    readonly drivers: readonly string[]
    /** The long one, for so many minutes. */
    readonly storm: (minutes: number) => AnyScenario
  },
): ChaosArguments {
  const problems: string[] = []
  const values = readOptions(args, problems)
  const number = (name: 'seed' | 'minutes', fallback: () => number, min: number, max: number): number => {
    const text = values[name]
    if (text === undefined) return fallback()
    if (typeof text === 'string' && /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max)
      return Number(text)
    problems.push(`--${name} takes a whole number from ${min} to ${max}`)
    return min
  }
  const seed = number('seed', () => randomInt(1_000_000_000), 0, 999_999_999)
  const minutes = number('minutes', () => (values['relay'] === true ? 10 : 20), 1, 1_440)
  const { driver = 'kafkajs' } = values
  if (typeof driver !== 'string' || !known.drivers.includes(driver)) {
    problems.push(`--driver takes one of: ${known.drivers.join(', ')}`)
  }
  const faults = typeof values['faults'] === 'string' ? chosen(values['faults'], known.scenarios, problems) : null
  const chosenBy = ['faults', 'smoke', 'relay'].filter((name) => values[name] !== undefined)
  if (chosenBy.length > 1) problems.push(`${chosenBy.map((name) => `--${name}`).join(' and ')} cannot be had together`)

  if (problems.length > 0) return { kind: 'wrong', problems }
  if (values['help'] === true) return { kind: 'help' }
  if (values['list'] === true) return { kind: 'list' }
  const smoke = known.smoke.map((wanted) => known.scenarios.find((scenario) => scenario.name === wanted)!)
  return {
    kind: 'run',
    seed,
    minutes,
    faults: values['relay'] === true ? [known.storm(minutes)] : values['smoke'] === true ? smoke : faults,
    driver: driver as string,
    json: values['json'] === true,
  }
}

const OPTIONS = {
  seed: { type: 'string' },
  minutes: { type: 'string' },
  faults: { type: 'string' },
  driver: { type: 'string' },
  smoke: { type: 'boolean' },
  relay: { type: 'boolean' },
  list: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

function readOptions(
  args: readonly string[],
  problems: string[],
): Readonly<Record<string, string | boolean | undefined>> {
  const { values, tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional') problems.push(`unexpected argument: ${token.value}`)
    if (token.kind !== 'option') continue
    const option = Object.entries(OPTIONS).find(([name]) => name === token.name)?.[1]
    if (option === undefined) problems.push(`unknown option: ${token.rawName}`)
    else if (option.type === 'boolean' && token.value !== undefined) problems.push(`${token.rawName} takes no value`)
    else if (option.type === 'string' && token.value === undefined) problems.push(`${token.rawName} needs a value`)
  }
  return values as Readonly<Record<string, string | boolean | undefined>>
}

function chosen(text: string, scenarios: readonly AnyScenario[], problems: string[]): readonly AnyScenario[] {
  return text.split(',').flatMap((wanted) => {
    const found = scenarios.filter(({ number, name }) => name === wanted.trim() || String(number) === wanted.trim())
    if (found.length === 0)
      problems.push(`--faults: there is no ${wanted.trim() === '' ? 'empty name' : wanted.trim()}; see --list`)
    return found
  })
}
