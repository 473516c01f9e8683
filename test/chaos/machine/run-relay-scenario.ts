import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readAll } from '../../../scripts/kafka-log/index.ts'
import { MESSAGE_HEADERS } from '../../../src/record/index.ts'
import type { CheckResult, Expectations, OutboxRecord } from '../checker/index.ts'
import { checkHistory, digestOf, digestOfHeaders, formatReport } from '../checker/index.ts'
import { inTime, readHistory } from '../history/index.ts'
import { sampleResources } from '../worker/index.ts'
import { asJson } from './as-json.ts'
import { memoryUse } from './memory.ts'
import { patiently } from './patiently.ts'
import type { RelayScenario } from './relay-scenario.ts'
import type { RelayWorld } from './relay-world.ts'
import { createRelayWorld } from './relay-world.ts'
import type { ScenarioResult } from './run-scenario.ts'
import type { WorldOptions } from './world.ts'

const WARM_MESSAGES = 300
const WARM_WITHIN_MS = 60_000
const AFTER_HEAL_MS = 1_000
const LOOK_EVERY_MS = 200

/** Warm-up, fault, heal, rest, verdict, as for the members of a group. Everything that it starts is gone when it resolves. */
export async function runRelayScenario(
  options: Omit<WorldOptions, 'scenario'> & { readonly scenario: RelayScenario },
): Promise<ScenarioResult> {
  const { scenario, say, folder } = options
  const begunAt = performance.now()
  const world = await createRelayWorld(options)
  const resources = sampleResources(world.journal, () => 0)
  const problems: string[] = []
  const { livenessBoundMs = 60_000 } = scenario.expectations ?? {}
  try {
    try {
      await startAll(world)
      await world.until('a good part of the work', () => isWarm(world), WARM_WITHIN_MS)
      say(`${world.live.relayed.size} messages sent; now the fault`)
      await scenario.inject(world)
      await world.pause(AFTER_HEAL_MS)
    } catch (error) {
      if (world.stop.aborted) throw error
      problems.push(error instanceof Error ? error.message : String(error))
    }
    say('healed; waiting for rest')
    await world.fleet.stopAll('enqueuer')
    const waiting = await untilEmpty(world, livenessBoundMs)
    if (waiting > 0)
      problems.push(`${waiting} rows are in the outbox ${livenessBoundMs / 1_000} s after the last transaction`)
    problems.push(...((await scenario.verify?.(world)) ?? []))
    await world.fleet.stopAll('relay')
    const database = await patiently(() => world.outbox.read())
    const records = await patiently(() => readTopic(world))
    const texts = await world.fleet.texts()
    resources.cancel()
    world.journal.write({ f: 'stop', role: 'machine', exitCode: 0 })
    const events = readHistory(world.historyFolder).toSorted(inTime)
    const expectations: Expectations = {
      allowedExits: [0],
      canaries: [world.canary],
      ...scenario.expectations,
      livenessBoundMs,
      groups: [],
    }
    const outbox = { ...database, records }
    const check = checkHistory({ events, effects: [], log: [], deadLetters: [], texts, outbox, expectations })
    say(outboxLine(check))
    writeFileSync(join(folder, 'result.json'), asJson({ problems, check, expectations }))
    writeFileSync(join(folder, 'report.txt'), formatReport({ name: scenario.name, events, check }))
    return {
      number: scenario.number,
      name: scenario.name,
      valid: check.valid && problems.length === 0,
      seconds: Math.round((performance.now() - begunAt) / 100) / 10,
      check,
      problems,
      events: events.length,
      acked: check.counters.outboxPublished,
      effects: check.counters.outboxCommitted,
      deadLetters: 0,
      memory: memoryUse(events, 'machine'),
    }
  } finally {
    await world.fleet.killAll()
    await world.outbox.close()
    resources.cancel()
    world.journal.close()
    await world.fleet.keepLogs(join(folder, 'logs'))
    // The next scenarios have the cluster to themselves.
    if (!world.stop.aborted) await world.cluster.admin.deleteTopics({ topics: [world.topic] }).catch(() => undefined)
  }
}

async function startAll(world: RelayWorld): Promise<void> {
  const { relays, enqueuers } = world.workload
  for (let n = 1; n <= relays; n++) await world.startRelay(`relay-${n}`)
  for (let n = 1; n <= enqueuers; n++) await world.startEnqueuer(`enqueuer-${n}`)
}

/** Every relay has its buckets, and there is enough behind us for a fault to be in the middle of something. */
function isWarm({ live, workload, bucketsOf, fleet }: RelayWorld): boolean {
  const relays = fleet.workers('relay')
  return (
    live.relayed.size >= WARM_MESSAGES &&
    relays.length >= workload.relays &&
    relays.every(({ proc }) => bucketsOf(proc) > 0 || workload.standAt[proc.replace(/#.*/, '')] !== undefined)
  )
}

/** Resolves with 0 when nothing waits, or with what is left when the time is over. */
async function untilEmpty(world: RelayWorld, withinMs: number): Promise<number> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const waiting = await patiently(() => world.outbox.waiting(), withinMs)
    if (waiting === 0 || performance.now() > deadline) return waiting
    await world.pause(LOOK_EVERY_MS)
  }
}

/** With a fresh reader that passes over what was rolled back; each partition in its order. */
async function readTopic({ cluster, topic }: RelayWorld): Promise<readonly OutboxRecord[]> {
  const records = await readAll(cluster.kafka, [topic])
  return records.map(({ place, key, value, atMs, headers, text }) => ({
    ...place,
    id: text(MESSAGE_HEADERS.id) ?? null,
    key: key === null ? null : key.toString(),
    digest: digestOf([digestOf(key), digestOf(value), digestOfHeaders(headers), String(atMs)].join(' ')),
  }))
}

/** What a run came to, in one line. */
export function outboxLine({ counters, anomalies }: Pick<CheckResult, 'counters' | 'anomalies'>): string {
  const found = (type: string): number => anomalies.find((anomaly) => anomaly.type === type)?.count ?? 0
  const { outboxCommitted, outboxPublished, outboxDoubles, bucketsMoved, staleCopies } = counters
  const { doubledByRelayKill, doubledByDoubt, doubledByLease } = counters
  return (
    `committed ${outboxCommitted}, published ${outboxPublished}, missing ${found('missing')}, reordered ${found('reordered')}, ` +
    `doubles ${outboxDoubles} (killed ${doubledByRelayKill}, in doubt ${doubledByDoubt}, leases moved ${doubledByLease}), ` +
    `with other bytes ${found('copy-changed')}, never committed ${found('never-committed')}, old copies ${staleCopies}, buckets moved ${bucketsMoved}`
  )
}
