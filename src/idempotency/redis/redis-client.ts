/** The part of an [ioredis](https://www.npmjs.com/package/ioredis) `Redis` or `Cluster` that is used here. */
export interface IoredisClient {
  evalsha(sha: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
  info(section: string): Promise<string>
  /** A cluster's nodes. */
  nodes?(role: 'master'): readonly IoredisNode[]
}

/** One node of an ioredis `Cluster`. */
export interface IoredisNode {
  info(section: string): Promise<string>
}

/** The part of a [redis](https://www.npmjs.com/package/redis) (node-redis) client or cluster that is used here. */
export interface NodeRedisClient {
  evalSha(sha: string, options: NodeRedisScriptOptions): Promise<unknown>
  eval(script: string, options: NodeRedisScriptOptions): Promise<unknown>
  /** A cluster has none. */
  info?(section: string): Promise<unknown>
}

/** How node-redis is given what a script works on. */
export interface NodeRedisScriptOptions {
  keys: string[]
  arguments: string[]
}

/** A connected client of the user's; holdfast uses it, and never closes it. */
export type RedisClient = IoredisClient | NodeRedisClient

/** What stores and locks ask of a client, whichever it is. */
export interface RedisPort {
  /** Runs a script on one key, in one step. Rejects with what the client rejects with. */
  run(script: RedisScript, key: string, values: readonly string[]): Promise<unknown>
  /** The text of `INFO memory` of each node that can be asked; none where the client cannot ask. */
  memoryInfo(): Promise<readonly string[]>
}

/** A Lua script, and the SHA-1 that Redis knows it by once it has seen it. */
export interface RedisScript {
  readonly text: string
  readonly sha: string
}

/** Is it a client that {@link redisPort} can use? */
export function isRedisClient(client: unknown): client is RedisClient {
  if (typeof client !== 'object' || client === null) return false
  const has = (name: string): boolean => typeof Reflect.get(client, name) === 'function'
  return has('eval') && (has('evalSha') || has('evalsha'))
}

/** Speaks to either client. */
export function redisPort(client: RedisClient): RedisPort {
  return 'evalSha' in client ? nodeRedisPort(client) : ioredisPort(client)
}

function ioredisPort(client: IoredisClient): RedisPort {
  return {
    run: ({ text, sha }, key, values) =>
      unlessUnknown(client.evalsha(sha, 1, key, ...values), () => client.eval(text, 1, key, ...values)),
    async memoryInfo() {
      const nodes = client.nodes === undefined ? [client] : client.nodes('master')
      return Promise.all(nodes.map((node) => node.info('memory')))
    },
  }
}

function nodeRedisPort(client: NodeRedisClient): RedisPort {
  return {
    run({ text, sha }, key, values) {
      const options = { keys: [key], arguments: [...values] }
      return unlessUnknown(client.evalSha(sha, options), () => client.eval(text, options))
    },
    memoryInfo: async () => (client.info === undefined ? [] : [String(await client.info('memory'))]),
  }
}

/** A server that was started anew has no scripts; `EVAL` brings one, and keeps it. */
async function unlessUnknown(answer: Promise<unknown>, bring: () => Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return bring()
  }
}
