import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { runCli } from '../../src/cli/index.ts'

/** What a command has said, and its exit code. */
export interface Said {
  readonly code: number
  readonly output: string
  readonly errors: string
}

/** A folder of a user's, with these files. Within the project, so that `holdfast` is found from it. It goes with the test. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  mkdirSync('.tmp', { recursive: true })
  const folder = mkdtempSync('.tmp/cli-')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs a command in this process. */
export async function holdfast(
  args: readonly string[],
  options: {
    readonly folder?: string
    readonly environment?: Readonly<Record<string, string>>
    readonly isTerminal?: boolean
    readonly signal?: AbortSignal
  } = {},
): Promise<Said> {
  const { isTerminal = false } = options
  let output = ''
  let errors = ''
  const code = await runCli(args, {
    folder: options.folder ?? folderWith({}),
    environment: options.environment ?? {},
    output: { write: (text) => void (output += text), isTerminal },
    errors: { write: (text) => void (errors += text), isTerminal },
    signal: options.signal ?? new AbortController().signal,
  })
  return { code, output, errors }
}

/** A module that exports consumers. @param subscriptions - what each is told after `createConsumer(…)` */
export function moduleWith(...subscriptions: readonly string[]): string {
  const consumers = subscriptions.map((each, i) => `createConsumer({ driver, groupId: 'group-${i}' })${each}`)
  return `${PREAMBLE}\nexport default defineConfig({ consumers: [${consumers.join(', ')}] })\n`
}

/** What a configuration needs to make consumers on a Kafka in memory. */
export const PREAMBLE = `import { createConsumer, defineConfig, defineTopic, memoryDedupeStore } from 'holdfast'
import { createInMemoryCluster, inMemoryDriver } from 'holdfast/testing'
import { z } from 'zod'
const topic = (name) => defineTopic({ name, schema: z.object({ id: z.string() }), key: ({ id }) => id })
const cluster = createInMemoryCluster({ topics: [{ topic: 'orders' }, { topic: 'orders.dlq' }] })
const driver = inMemoryDriver({ clientId: 'plan', cluster })
const store = memoryDedupeStore()`
