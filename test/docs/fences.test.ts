import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { silentLogger, systemRuntime } from 'holdfast'
import { useKafka } from '../helpers/services.ts'
import type { Fence } from './fences.ts'
import { fences } from './fences.ts'

const folder = 'test/docs/.snippets'
const all = fences()

// The pages name these; a fence that runs finds them on the broker.
const TOPICS = ['order-events', 'order-events.dlq', 'payment-events', 'payment-events.dlq']

let brokers: string[]

beforeAll(async () => {
  brokers = (await useKafka()).brokers
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const fence of all) writeFileSync(`${folder}/${fence.file}`, `${fence.code}\nexport {}\n`)
  const admin = kafkajsDriver({ clientId: 'docs', brokers }).createAdmin({
    runtime: systemRuntime,
    logger: silentLogger,
  })
  await admin.connect()
  await admin.createTopics(TOPICS.map((topic) => ({ topic, partitions: 3 })))
  await admin.close()
})

test('there is code to check, so that this file cannot pass by finding none', () => {
  expect(all.length).toBeGreaterThan(10)
  expect(all.filter((fence) => fence.kind === 'run').length).toBeGreaterThan(3)
})

test('every fence of README and docs type-checks against the package as users import it', () => {
  const tsc = spawnSync('node_modules/.bin/tsc', ['-p', 'test/docs/tsconfig.json'], { encoding: 'utf8' })
  expect(tsc.stdout).toBe('')
  expect(tsc.status).toBe(0)
})

describe('a fence that says run does what it says', () => {
  test.each(all.filter((fence) => fence.kind === 'run').map((fence) => [fence.place, fence] as const))(
    '%s',
    (_, fence) => runFence(fence),
  )
})

/** Fails when the code throws, one of its assertions does not hold, or it does not come to its end. */
async function runFence(fence: Fence): Promise<void> {
  const file = resolve(folder, `run-${fence.file}`)
  writeFileSync(file, runnable(fence.code))
  await import(/* @vite-ignore */ file)
}

/** The code with its assertions made real, and the shared broker in place of the one on the reader's machine. */
function runnable(code: string): string {
  const addresses = brokers.map((broker) => `'${broker}'`).join(', ')
  const asserted = code.replace(
    /^(\s*)(.*\S)\s*\/\/ => (.*)$/gm,
    (_, indent: string, actual: string, wanted: string) => {
      const declared = /^const (\w+) = /.exec(actual)
      return declared
        ? `${indent}${actual}\n${indent}expect(${declared[1]}).toEqual(${wanted})`
        : `${indent}expect(${actual}).toEqual(${wanted})`
    },
  )
  return `import { expect } from 'vitest'\n${asserted.replaceAll("'localhost:9092'", addresses)}\nexport {}\n`
}
