import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckResult, Expectations } from '../checker/index.ts'
import { checkHistory, formatReport } from '../checker/index.ts'
import { inTime, readHistory } from '../history/index.ts'
import { sampleResources } from '../worker/index.ts'
import { asJson } from './as-json.ts'
import { untilNoLag } from './lag.ts'
import type { MemoryUse } from './memory.ts'
import { memoryUse } from './memory.ts'
import { patiently } from './patiently.ts'
import { commitsSoFar, readBack } from './read-back.ts'
import type { Scenario, Workload } from './scenario.ts'
import type { World, WorldOptions } from './world.ts'
import { createWorld } from './world.ts'

/** How a scenario ended. */
export interface ScenarioResult {
  readonly number: number
  readonly name: string
  readonly valid: boolean
  readonly seconds: number
  readonly check: CheckResult | null
  /** What the machine saw itself, and what it could not do. */
  readonly problems: readonly string[]
  readonly events: number
  readonly acked: number
  readonly effects: number
  readonly deadLetters: number
  readonly memory: MemoryUse
}

const WARM_OUTCOMES = 300
const WARM_WITHIN_MS = 60_000
const AFTER_HEAL_MS = 2_000

/** Warm-up, fault, heal, rest, verdict. Everything that it starts is gone when it resolves. */
export async function runScenario(options: WorldOptions): Promise<ScenarioResult> {
  const { scenario, say, folder } = options
  const begunAt = performance.now()
  const world = await createWorld(options)
  const commitsFrom = await patiently(() => commitsSoFar(world.cluster))
  const resources = sampleResources(world.journal, () => 0)
  const problems: string[] = []
  const { livenessBoundMs = 60_000 } = scenario.expectations ?? {}
  try {
    try {
      await scenario.prepare?.(world)
      await startAll(world)
      await world.until('a good part of the work', () => isWarm(world), WARM_WITHIN_MS)
      say(`${world.live.outcomes} messages handled; now the fault`)
      await scenario.inject(world)
      await world.pause(AFTER_HEAL_MS)
    } catch (error) {
      if (world.stop.aborted) throw error
      problems.push(messageOf(error))
    }
    say('healed; waiting for rest')
    await world.fleet.stopAll('producer')
    const lag = await untilNoLag(world, livenessBoundMs)
    if (lag > 0n) problems.push(`${lag} records are left behind ${livenessBoundMs / 1_000} s after the last fault`)
    problems.push(...((await scenario.verify?.(world)) ?? []))
    await world.fleet.stopAll('consumer')
    const back = await readBack(world, commitsFrom)
    const texts = await world.fleet.texts()
    resources.cancel()
    world.journal.write({ f: 'stop', role: 'machine', exitCode: 0 })
    const events = readHistory(world.historyFolder).toSorted(inTime)
    const expectations = expectationsOf(scenario, world)
    const check = scenario.judgedBy === 'itself' ? null : checkHistory({ events, ...back, texts, expectations })
    writeFileSync(join(folder, 'result.json'), asJson({ problems, check, expectations }))
    if (check !== null) writeFileSync(join(folder, 'report.txt'), formatReport({ name: scenario.name, events, check }))
    return {
      number: scenario.number,
      name: scenario.name,
      valid: (check?.valid ?? true) && problems.length === 0,
      seconds: Math.round((performance.now() - begunAt) / 100) / 10,
      check,
      problems,
      events: events.length,
      acked: events.filter(({ f }) => f === 'produce-ok').length,
      effects: back.effects.length,
      deadLetters: back.deadLetters.length,
      memory: memoryUse(events, 'machine'),
    }
  } finally {
    await world.fleet.killAll()
    await world.stores.close()
    resources.cancel()
    world.journal.close()
    await world.fleet.keepLogs(join(folder, 'logs'))
    await removeTopics(world)
  }
}

async function startAll(world: World): Promise<void> {
  const { consumers, producers } = world.workload
  for (let n = 1; n <= consumers; n++) await world.startConsumer(`consumer-${n}`)
  for (let n = 1; n <= producers; n++) await world.startProducer(`producer-${n}`)
}

/** Every member has its partitions, and there is enough behind us for a fault to be in the middle of something. */
function isWarm({ live, workload }: World): boolean {
  return (
    live.outcomes >= WARM_OUTCOMES &&
    new Set(live.owners.values()).size >= Math.min(workload.consumers, workload.partitions)
  )
}

function expectationsOf({ expectations = {}, workload }: Scenario, world: World): Expectations {
  const { group, livenessBoundMs = 60_000, ...rest } = expectations
  const { effects, dedupe, subscription, consumer }: Workload = { ...world.workload, ...workload }
  const { retry, ordering } = subscription
  return {
    allowedExits: [0],
    canaries: [world.canary],
    livenessBoundMs,
    ...rest,
    groups: [
      {
        group: world.group,
        topics: [world.topic],
        ordering: ordering ?? 'key',
        effects: promiseOf(effects, dedupe.kind),
        inbox: dedupe.kind === 'inbox',
        ...(retry === undefined ? {} : { retry: retry as Required<typeof retry> }),
        ...(consumer.concurrency === undefined ? {} : { inFlightLimit: consumer.concurrency }),
        ...group,
      },
    ],
  }
}

/** How often an effect may be there. */
function promiseOf(
  effects: Workload['effects'],
  dedupe: Workload['dedupe']['kind'],
): Expectations['groups'][number]['effects'] {
  if (dedupe === 'inbox') return 'exactly-once'
  if (dedupe === 'redis' || dedupe === 'postgres') return 'once-but-for-windows'
  return effects === 'marked' ? 'exactly-once' : 'at-least-once'
}

/** The next scenarios have the cluster to themselves. */
async function removeTopics({ cluster, topic, deadLetterTopic, group, stop }: World): Promise<void> {
  if (stop.aborted) return
  await cluster.admin.deleteTopics({ topics: [topic, deadLetterTopic] }).catch(() => undefined)
  await cluster.admin.deleteGroups([group]).catch(() => undefined)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
