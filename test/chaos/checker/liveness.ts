import type { IndexedHistory, PartitionStory } from './index-history.ts'
import { floorOf, nameOf, NEVER } from './outcomes.ts'
import type { ProcessStory } from './process-stories.ts'
import type { Report } from './violation.ts'

/**
 * I12: within the bound after the last heal everything has its outcome and is committed, and every process is well or has ended as the
 * scenario foresees.
 */
export function liveness(history: IndexedHistory, report: Report): void {
  for (const group of history.groups) {
    for (const story of group.partitions.values()) {
      judgeOutcomes(history, story, report)
      judgeCommits(history, story, report)
    }
  }
  for (const process of history.processes.values()) judgeEnd(history, process, report)
  judgeSends(history, report)
  judgeHealth(history, report)
}

/** Until when a value has to be through: the bound counts from its acknowledgement when that was after the last heal. */
function deadlineOf({ byValue, lastHealAt, expectations }: IndexedHistory, value: string | null): number {
  const sent = value === null ? undefined : byValue.get(value)
  const from = Math.max(lastHealAt, sent?.end?.t ?? sent?.invoke.t ?? lastHealAt)
  return from + expectations.livenessBoundMs * 1_000
}

/** A record without any outcome is lost, which is I1. */
function judgeOutcomes(history: IndexedHistory, story: PartitionStory, report: Report): void {
  const floor = floorOf(story)
  story.outcomes.forEach((place, at) => {
    const record = story.log.records[at]!
    if (place === NEVER || record.offset < floor) return
    const late = story.events[place]!.t - deadlineOf(history, record.value)
    if (late <= 0) return
    report({
      type: 'late-outcome',
      text: `${nameOf(record)} got its outcome ${seconds(late)} after the bound`,
      at: story.events[place]!.t,
      weight: late,
      ...whereOf(story, record.offset),
    })
  })
}

/** An answer that a process did not live to write down is proven by where the next one starts, or by the broker's list. */
function judgeCommits(history: IndexedHistory, story: PartitionStory, report: Report): void {
  const last = story.log.records.at(-1)
  if (last === undefined || last.offset < floorOf(story)) return
  const proof = story.events.find(
    (event) =>
      (event.f === 'commit-ok' && event.offset > last.offset) ||
      (event.f === 'assign' && event.start !== undefined && event.start > last.offset),
  )
  const { group } = story.group.expected
  if (proof !== undefined) {
    const late = proof.t - deadlineOf(history, last.value)
    const text = `${group} had committed all of ${story.topic}[${story.partition}] ${seconds(late)} after the bound`
    if (late > 0) report({ type: 'late-commit', text, at: proof.t, weight: late, ...whereOf(story, last.offset) })
    return
  }
  const isStored = (history.commits ?? []).findLast(
    (commit) => commit.group === group && commit.topic === story.topic && commit.partition === story.partition,
  )
  if (isStored !== undefined && isStored.offset > last.offset) return
  report({
    type: 'lag-left',
    text: `${group} has not committed the end of ${story.topic}[${story.partition}]: ${last.offset} is its last record`,
    ...whereOf(story, last.offset),
    ...(story.events.length > 0 && { at: story.events.at(-1)!.t }),
  })
}

function judgeEnd({ expectations }: IndexedHistory, process: ProcessStory, report: Report): void {
  const { proc, role, stoppedAt, exitCode, signal, unhandled, lastAt } = process
  if (unhandled !== undefined) {
    const text = `${proc} met ${unhandled}, which nobody caught`
    report({ type: 'unhandled-error', text, at: stoppedAt ?? lastAt, proc, weight: 2 })
  }
  if (role === undefined || role === 'nemesis' || role === 'machine') return
  if (stoppedAt === undefined) {
    report({ type: 'no-end', text: `nobody knows how ${proc} ended`, at: lastAt, proc })
    return
  }
  const how = signal ?? exitCode
  if (how === null || (expectations.allowedExits ?? [0]).includes(how)) return
  report({ type: 'undocumented-exit', text: `${proc} ended by ${how}`, at: stoppedAt, proc })
}

function judgeSends({ byValue, processes, expectations }: IndexedHistory, report: Report): void {
  for (const { invoke, outcome, end } of byValue.values()) {
    const { value, proc, topic } = invoke
    if (end?.f === 'produce-fail' && !(expectations.allowedProduceFailures ?? []).includes(end.code)) {
      report({ type: 'send-failed', text: `the send of ${value} failed: ${end.code}`, at: end.t, proc, topic })
    }
    if (outcome === 'open' && processes.get(proc)?.exitCode === 0) {
      report({
        type: 'send-never-settled',
        text: `${proc} ended well without knowing of ${value}`,
        at: invoke.t,
        proc,
        topic,
      })
    }
  }
}

/** Unhealthy when everything else should be over, and alive at that time. */
function judgeHealth({ events, processes, lastHealAt, expectations }: IndexedHistory, report: Report): void {
  const deadline = lastHealAt + expectations.livenessBoundMs * 1_000
  const last = new Map<string, Extract<(typeof events)[number], { readonly f: 'health' }>>()
  for (const event of events) {
    if (event.f === 'health' && event.t <= deadline) last.set(`${event.proc} ${event.group}`, event)
    if (event.f === 'resources' && event.phase === 'stopped' && event.inFlight > 0) {
      const text = `${event.proc} closed with ${event.inFlight} records in flight`
      report({ type: 'in-flight-left', text, at: event.t, proc: event.proc })
    }
  }
  for (const { proc, group, state, reason, t } of last.values()) {
    if (state !== 'unhealthy' || (processes.get(proc)?.stoppedAt ?? Infinity) <= deadline) continue
    report({
      type: 'unhealthy',
      text: `${proc} stayed unhealthy in ${group}: ${reason ?? 'no reason'}`,
      at: t,
      proc,
      group,
    })
  }
}

function seconds(microseconds: number): string {
  return `${(microseconds / 1e6).toFixed(1)} s`
}

function whereOf(
  { group, topic, partition }: PartitionStory,
  offset: bigint,
): { group: string; topic: string; partition: number; offset: bigint } {
  return { group: group.expected.group, topic, partition, offset }
}
