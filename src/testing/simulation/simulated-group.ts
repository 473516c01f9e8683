import type { Consumer, ConsumerEvents } from '../../consumer/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { InboundRecord, Position } from '../../record/index.ts'
import { formatPartition, formatPosition } from '../../record/index.ts'
import { brokerOf } from '../in-memory/cluster.ts'
import type { ScenarioRun, SimulatedProcess, Simulation } from './simulate.ts'
import { watchCommits } from './watch-commits.ts'

/**
 * What may befall the processes of a group. `kill`: as SIGKILL or a power cut, and another process starts soon after. `suspend`: as a long
 * collection of garbage or a stopped container, for up to 2.5 s. `cut-off`: no way to the cluster for so long. `leave`: closed in good order, and
 * another starts, as in a deployment. `expire`: the cluster takes all sessions for over. `commit-failure`: a commit is refused, or its answer lost.
 */
export type GroupFault = 'kill' | 'suspend' | 'cut-off' | 'leave' | 'expire' | 'commit-failure'

/** A consumer group to be put to the test. */
export interface SimulatedGroupOptions {
  readonly groupId: string
  /** What it reads, from the earliest record on: topics, or their names. They exist already. */
  readonly topics: readonly (string | { readonly name: string })[]
  /**
   * Makes the consumer of one process, not started, with the `driver` and the `runtime` of that process. Its `sessionTimeoutMs` should be short,
   * 1,000 or so: a fault that no session notices shows little.
   */
  readonly createConsumer: (process: SimulatedProcess) => Consumer
  /** Processes that run at a time: an integer of 1 or more. @defaultValue `2` */
  readonly members?: number
  /** How often each comes, at most three times, and when, follows from the seed. @defaultValue all of them */
  readonly faults?: readonly GroupFault[]
  /** Are the messages of a key handled one after the other? `false` for `ordering: 'none'`. @defaultValue `true` */
  readonly ordered?: boolean
}

/** A group under faults. It is a {@link ScenarioRun}: return it as it is, or with a `check` of your own that calls this one. */
export interface SimulatedGroup extends Required<ScenarioRun> {
  /** The processes that run, with their consumers. */
  readonly members: ReadonlyMap<SimulatedProcess, Consumer>
  /** What became of the record at a position; undefined while nothing did. */
  outcomeOf(position: Position): GroupOutcome | undefined
}

/** What became of a record, first of all: later ones are repeats. */
export type GroupOutcome = 'handled' | 'duplicate' | 'parked' | 'skipped'

/**
 * Starts a group in a simulation and lets faults come over it. Whatever they do: every record gets its outcome (else `lost`), no commit says of one
 * that has none that it is done (`commit-gap`), the messages of a key come to their first outcomes in the order of their offsets (`out-of-order`),
 * and when all is healed the group works off what there is (`not-live`). What your handlers do to the world is yours to check.
 *
 * @throws HOLDFAST_CONFIG_INVALID, listing every problem.
 */
export function simulatedGroup(simulation: Simulation, options: SimulatedGroupOptions): SimulatedGroup {
  const { cluster, int, chance } = simulation
  refuseUnfit(options)
  const { groupId, members: wanted = 2, faults = ALL, ordered = true } = options
  const topics = options.topics.map((topic) => (typeof topic === 'string' ? topic : topic.name))
  const members = new Map<SimulatedProcess, Consumer>()
  const outcomes = new Map<string, GroupOutcome>() // in the order in which they came
  const records = (): InboundRecord[] => topics.flatMap((topic) => cluster.records(topic))
  const isOpen = (record: InboundRecord): boolean => !outcomes.has(formatPosition(record))
  let started = 0
  let healed = false

  const start = (): void => {
    const member = simulation.process(`${groupId}-${++started}`)
    const driver = watchCommits(member.driver, (commit) => {
      const said = commit.offsets.map((each) => `${formatPartition(each)} at ${each.offset}`).join(', ')
      simulation.note(`${member.name} commits ${said}`)
      for (const record of records()) {
        if (isOpen(record) && commit.covers(record))
          simulation.violation(
            'commit-gap',
            `${member.name} commits ${said}, and ${formatPosition(record)} is not done`,
          )
      }
    })
    const consumer = options.createConsumer(Object.assign(member, { driver }))
    members.set(member, consumer)
    simulation.note(`${member.name} starts`)
    for (const outcome of OUTCOMES) {
      consumer.listen(outcome, ({ position }: ConsumerEvents[typeof outcome]) => {
        const place = formatPosition(position)
        simulation.note(`${member.name}: ${place} ${outcome}`)
        if (!outcomes.has(place)) outcomes.set(place, outcome)
      })
    }
    consumer.start().catch((error: unknown) => {
      if (!members.has(member)) return // it was told to end before it had begun
      simulation.note(`${member.name} does not start: ${String(error)}`)
      if (!HoldfastError.is(error) || !error.retriable) simulation.violation('start-failed', String(error))
      end(member)
    })
    consumer.closed.catch((error: unknown) => {
      simulation.note(`${member.name} ends: ${String(error)}`)
      end(member)
    })
  }

  const end = (member: SimulatedProcess): void => {
    members.delete(member)
    member.kill()
    cluster.unreachable(true, member.name)
    simulation.at(simulation.now + int(MAX_RESTART_MS), () => {
      if (members.size < wanted) start()
    })
  }
  const befall = (what: string, act: (member: SimulatedProcess) => void): void => {
    const member = [...members.keys()][int(Math.max(1, members.size))]
    if (member === undefined) return
    simulation.note(`fault: ${what} ${member.name}`)
    act(member)
  }
  const forAWhile = (begin: () => void, end: () => void): void => {
    begin()
    simulation.at(simulation.now + int(MAX_FAULT_MS), () => {
      if (!healed) end() // else it has ended already
    })
  }
  const cutOff = ({ name }: SimulatedProcess, on: boolean): void => {
    if (on || [...members.keys()].some((member) => member.name === name)) cluster.unreachable(on, name) // the dead stay cut off
  }
  const close = (member: SimulatedProcess): void => {
    const consumer = members.get(member)!
    members.delete(member)
    const over = (): void => end(member)
    consumer.close().then(over, over)
  }

  const acts: Record<GroupFault, () => void> = {
    kill: () => befall('kill', end),
    suspend: () =>
      befall('suspend', (member) =>
        forAWhile(
          () => member.suspend(),
          () => member.resume(),
        ),
      ),
    'cut-off': () =>
      befall('cut off', (member) =>
        forAWhile(
          () => cutOff(member, true),
          () => cutOff(member, false),
        ),
      ),
    leave: () => befall('close', close),
    expire() {
      simulation.note('fault: all sessions expire')
      cluster.expireSession(groupId)
    },
    'commit-failure'() {
      const how = COMMIT_FAILURES[int(COMMIT_FAILURES.length)]!
      simulation.note(`fault: the next commit is ${how}`)
      cluster.failNextCommit(groupId, how)
    },
  }
  for (let i = 0; i < wanted; i++) simulation.at(int(MAX_RESTART_MS), start)
  for (const fault of ALL) {
    const times = chance(0.5) ? 0 : 1 + int(MOST_OF_A_KIND) // about half of the kinds in one schedule: some show only without others
    if (faults.includes(fault)) simulation.during(times, acts[fault])
  }

  const ends = lastOffsets(simulation, topics)
  return {
    members,
    outcomeOf: (position) => outcomes.get(formatPosition(position)),
    heal() {
      healed = true
      for (const member of members.keys()) {
        member.resume()
        cutOff(member, false)
      }
      if (members.size === 0) start()
    },
    done() {
      const committed = new Map(cluster.committed(groupId).map((each) => [formatPartition(each), each.offset]))
      return ends().every((last) => (committed.get(formatPartition(last)) ?? -1n) > last.offset)
    },
    check() {
      const latest = new Map<string, { readonly order: number; readonly record: InboundRecord }>()
      const order = new Map([...outcomes.keys()].map((place, i) => [place, i]))
      for (const record of records()) {
        const place = formatPosition(record)
        const outcome = outcomes.get(place)
        if (outcome === undefined) simulation.violation('lost', `${place} has no outcome`)
        if (!ordered || outcome === undefined || outcome === 'parked') continue // what is parked leaves its place in the order
        const lane = `${formatPartition(record)} ${record.key === null ? '' : Buffer.from(record.key).toString('hex')}`
        const before = latest.get(lane)
        const at = { order: order.get(place)!, record }
        if (before !== undefined && before.order > at.order)
          simulation.violation('out-of-order', `${place} before ${formatPosition(before.record)}, of the same key`)
        else latest.set(lane, at)
      }
    },
  }
}

const OUTCOMES: readonly GroupOutcome[] = ['handled', 'duplicate', 'parked', 'skipped']
const ALL: readonly GroupFault[] = ['kill', 'suspend', 'cut-off', 'leave', 'expire', 'commit-failure']
const COMMIT_FAILURES = ['unavailable', 'indeterminate-written', 'indeterminate-lost'] as const
const MAX_RESTART_MS = 1_000
const MAX_FAULT_MS = 2_500
const MOST_OF_A_KIND = 3

function refuseUnfit({ groupId, topics, createConsumer, members = 2, faults = ALL }: SimulatedGroupOptions): void {
  const problems: Problem[] = []
  const hold = (fits: boolean, path: string, message: string): void => void (fits || problems.push({ path, message }))
  hold(typeof groupId === 'string' && groupId !== '', 'groupId', 'a name is needed')
  hold(Array.isArray(topics) && topics.length > 0, 'topics', 'one topic or more is needed')
  hold(typeof createConsumer === 'function', 'createConsumer', 'a function is needed')
  hold(Number.isSafeInteger(members) && members >= 1, 'members', 'an integer from 1 is needed')
  const isKnown = Array.isArray(faults) && faults.every((fault: GroupFault) => ALL.includes(fault))
  hold(isKnown, 'faults', `an array of ${ALL.join(', ')} is needed`)
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'simulatedGroup: options do not fit', { problems })
}

/** The last record of each partition that has one; looked for again only where something was written since. */
function lastOffsets({ cluster }: Simulation, topics: readonly string[]): () => Position[] {
  const known = new Map<string, { readonly end: bigint; readonly last: Position | undefined }>()
  return () =>
    topics.flatMap((topic) =>
      brokerOf(cluster)
        .topic(topic)
        .flatMap(({ partition, end }) => {
          const place = formatPartition({ topic, partition })
          let found = known.get(place)
          if (found?.end !== end) {
            found = { end, last: cluster.records(topic).findLast((record) => record.partition === partition) }
            known.set(place, found)
          }
          return found.last === undefined ? [] : [found.last]
        }),
    )
}
