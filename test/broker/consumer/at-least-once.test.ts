import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openShop } from './shop.ts'
import type { Shop } from './shop.ts'

interface Ledger {
  readonly file: string
  lines(): string[]
  /** Resolves when it has so many lines. */
  atLeast(count: number): Promise<void>
}

function openLedger(): Ledger {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-effects-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'effects')
  writeFileSync(file, '')
  const lines = (): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return {
    file,
    lines,
    atLeast: (count) =>
      new Promise((resolve) => {
        const watcher = watch(file, () => check())
        const check = (): void => {
          if (lines().length < count) return
          watcher.close()
          resolve()
        }
        check()
      }),
  }
}

function startWorker({ brokers, topic, groupId }: Shop, effects: string): ChildProcess {
  const env = { ...process.env, BROKERS: brokers.join(','), TOPIC: topic.name, GROUP: groupId, EFFECTS: effects }
  const worker = spawn(process.execPath, ['--import', 'tsx', 'test/broker/consumer/worker.ts'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  onTestFinished(() => void worker.kill('SIGKILL'))
  return worker
}

const gone = (worker: ChildProcess): Promise<unknown> => new Promise((resolve) => worker.once('exit', resolve))

test('a process that is killed in the middle, twice, loses nothing and keeps every partition in order', async () => {
  const shop = await openShop({ partitions: 3 })
  const values = Array.from({ length: 600 }, (_, i) => JSON.stringify({ id: i % 97 === 5 ? 'bad' : `o-${i}` }))
  const places = await shop.write(values)
  const bad = values.filter((value) => value.includes('bad')).length
  const ledger = openLedger()

  for (const killAt of [60, 250]) {
    const worker = startWorker(shop, ledger.file)
    await ledger.atLeast(killAt)
    const exit = gone(worker)
    worker.kill('SIGKILL')
    await exit
  }
  startWorker(shop, ledger.file)
  const handled = (): Set<string> => new Set(ledger.lines())
  while (handled().size < places.length - bad) await ledger.atLeast(ledger.lines().length + 1)

  const letters = await shop.deadLetters()
  const parked = new Set(
    letters.map(({ headers }) => `${headers['holdfast-dlq-partition']}@${headers['holdfast-dlq-offset']}`),
  )
  expect(new Set([...handled(), ...parked])).toEqual(new Set(places))
  expect(parked.size).toBe(bad)
  for (const partition of ['0', '1', '2']) {
    const firsts = [...handled()]
      .filter((place) => place.startsWith(`${partition}@`))
      .map((place) => Number(place.split('@')[1]))
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b))
  }
}, 120_000)
