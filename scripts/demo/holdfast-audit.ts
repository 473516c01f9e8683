import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Place } from './audit.ts'

/** Where the command looks. */
export interface AuditPlaces {
  readonly brokers: readonly string[]
  readonly databaseUrl: string
}

/** What the command says. */
export interface Verdicts {
  /** One line for each call, for people. */
  readonly lines: readonly string[]
  /** What does not hold. */
  readonly problems: readonly string[]
}

/** What `holdfast audit --json` prints, as far as it is read here. */
export interface AuditJson {
  readonly counts: Readonly<Record<'judged' | 'missing' | 'duplicate' | 'reordered' | 'extra' | 'gap', number>>
  readonly findings: {
    readonly missing: ReadonlyArray<{
      readonly count: number
      readonly first: AuditedPlace
      readonly last: AuditedPlace
    }>
  }
}

interface AuditedPlace {
  readonly partition?: number
  readonly offset?: string
}

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const FOLDER = fileURLToPath(new URL('../../examples/order-processing/', import.meta.url))

/** From the outbox to its topics, with what no row tells of; and from the topic that all begins on to the inboxes that read it. */
const CALLS: readonly (readonly string[])[] = [
  ['--from', 'outbox', '--to', 'topic:order-events', '--extra', 'order-api'],
  ['--from', 'outbox', '--to', 'topic:inventory-events', '--extra', 'inventory'],
  ['--from', 'topic:order-events', '--to', 'inbox', '--group', 'order-api', '--inbox-table', 'order_api_inbox'],
  ['--from', 'topic:order-events', '--to', 'inbox', '--group', 'inventory', '--inbox-table', 'inventory_inbox'],
]

/** What the demo knows by itself. */
export interface Known {
  /** No inbox has a mark of these: what nobody can read is parked before an inbox is asked. */
  readonly pills: readonly Place[]
  /** Records of the outbox beyond the first of their row. */
  readonly sentAgain: number
}

/** What a call of the command has printed. */
export type Audited = readonly [call: readonly string[], report: AuditJson]

/** Runs `holdfast audit` as whoever operates the services would. */
export function runAudits(places: AuditPlaces, stop: AbortSignal): Promise<readonly Audited[]> {
  return Promise.all(CALLS.map(async (call) => [call, await run(call, places, stop)] as const))
}

/** What they say, and whether that is what the demo has found. */
export function verdictsOf(reports: readonly Audited[], known: Known): Verdicts {
  const verdicts = reports.map(([call, report]) => verdictOf(call, report, known.pills))
  const again = reports.reduce((sum, [, { counts }]) => sum + counts.duplicate, 0)
  const differ = `holdfast audit has found ${again} records once more, and the demo ${known.sentAgain}`
  return {
    lines: verdicts.map(({ line }) => line),
    problems: [
      ...verdicts.filter(({ isSound }) => !isSound).map(({ line }) => line),
      ...(again === known.sentAgain ? [] : [differ]),
    ],
  }
}

/** What one call says. A message that is there twice, with one id, is what a killed relay leaves: it is said, and no problem. */
function verdictOf(
  call: readonly string[],
  { counts, findings }: AuditJson,
  pills: readonly Place[],
): { readonly line: string; readonly isSound: boolean } {
  const { missing, duplicate, reordered, extra, gap, judged } = counts
  const topic = call.findLast((each) => each.startsWith('topic:'))?.slice('topic:'.length)
  const ofPills = call.includes('inbox') ? pills.filter((pill) => pill.topic === topic) : []
  const pillsIn = (first: AuditedPlace, last: AuditedPlace): number =>
    ofPills.filter(
      ({ partition, offset }) =>
        partition === first.partition && offset >= BigInt(first.offset!) && offset <= BigInt(last.offset!),
    ).length
  const unread = findings.missing
    .filter(({ count, first, last }) => count === pillsIn(first, last))
    .reduce((sum, { count }) => sum + count, 0)
  const lost = missing - unread
  const name = `holdfast audit ${call.join(' ')}`
  const but = unread === 0 ? '' : ` but for ${unread} pills, which were parked unread`
  const line = `${name}\n  ${judged} messages: ${lost} missing${but}, ${reordered} reordered, ${extra} extra, ${gap} gaps, ${duplicate} once more`
  const isSound = judged > 0 && lost + reordered + extra + gap === 0
  return { line, isSound }
}

async function run(
  call: readonly string[],
  { brokers, databaseUrl }: AuditPlaces,
  stop: AbortSignal,
): Promise<AuditJson> {
  const args = [PROGRAM, 'audit', ...call, '--grace', '0s', '--show', '1000', '--json', '--brokers', brokers.join(',')]
  const options = { cwd: FOLDER, env: { ...process.env, DATABASE_URL: databaseUrl, NODE_OPTIONS: '' }, signal: stop }
  // Exit code 1 is a finding, and the report is there all the same.
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options).catch(
    (error: { readonly stdout?: string; readonly stderr?: string }) => {
      stop.throwIfAborted()
      return { stdout: error.stdout ?? '', stderr: error.stderr ?? '' }
    },
  )
  try {
    return JSON.parse(stdout) as AuditJson
  } catch {
    throw new Error(`holdfast audit ${call.join(' ')} printed no report:\n${stderr}`)
  }
}
