import type { Patch } from '../../scripts/simulation/bundle.ts'

/** A change that takes out the code which keeps one promise. The simulator has to find each. */
export interface Mutant extends Patch {
  readonly name: string
  /** The promise that it breaks. */
  readonly promise: string
}

const CONSUMER = 'src/consumer'

/** Of each, what stands in the source exactly once, and what is put in its place. */
export const mutants: readonly Mutant[] = [
  {
    name: 'commit-highest-finished',
    promise: 'an offset is committed when every record below it has its outcome',
    file: `${CONSUMER}/offset-tracker.ts`,
    find: 'return lowest === NONE ? next : firsts[lowest]!',
    replace: 'return next',
  },
  {
    name: 'unfinished-counts-as-finished',
    promise: 'what is interrupted by a rebalance has no outcome',
    file: `${CONSUMER}/partition-loop.ts`,
    find: "if (outcome.kind !== 'unfinished' && !epoch.dead) {",
    replace: 'if (!epoch.dead) {',
  },
  {
    name: 'failure-counts-as-handled',
    promise: 'a handler that throws has not handled its message',
    file: `${CONSUMER}/handle-message.ts`,
    find: 'return yield* settled(handleAgain(thrown, delivery, reading, claim, pipeline))',
    replace: "return { kind: 'handled', attempts: 1 }",
  },
  {
    name: 'ranges-one-too-far',
    promise: 'a finished range ends with the last record that is finished',
    file: `${CONSUMER}/finished-ranges.ts`,
    find: 'ranges.push({ first, last })',
    replace: 'ranges.push({ first, last: last + 1n })',
  },
  {
    name: 'keys-not-kept-apart',
    promise: 'messages of one key are handled one after the other',
    file: `${CONSUMER}/lane-of.ts`,
    find: 'return key === null ? NO_KEY : latin1Of(key)',
    replace: 'return null',
  },
  {
    name: 'lanes-not-chained',
    promise: 'a message begins when the one before it in its lane has ended',
    file: `${CONSUMER}/lanes.ts`,
    find: 'else tail.item.next = item',
    replace: 'else fresh.push(item)',
  },
  {
    name: 'open-lanes-forgotten',
    promise: 'a handler of an earlier assignment keeps its key',
    file: `${CONSUMER}/assignment.ts`,
    find: 'openLanes: stillOpen.of(epoch.name),',
    replace: 'openLanes: [],',
  },
  {
    name: 'timed-out-handler-frees-its-key',
    promise: 'a handler that has timed out and goes on keeps its key',
    file: `${CONSUMER}/partition-loop.ts`,
    find: 'if (delivery.late !== null) leaveWhenEnded(delivery, delivery.late)\n    else if',
    replace: 'if',
  },
  {
    name: 'mark-before-effect',
    promise: 'a message is marked as done after its effect',
    file: `${CONSUMER}/process-record.ts`,
    find: 'const called = handleMessage(delivery, reading, claim, pipeline)',
    replace:
      "if (claim.lease !== null) yield* settled(completeMessage(claim, 'handled', delivery, pipeline))\n    const called = handleMessage(delivery, reading, claim, pipeline)",
  },
  {
    name: 'busy-counts-as-done',
    promise: 'a message that somebody else works on is waited for',
    file: `${CONSUMER}/claim.ts`,
    find: "if (begun.value.kind !== 'started') return begun.value",
    replace: "if (begun.value.kind !== 'started') return { kind: 'done', outcome: 'handled' }",
  },
  {
    name: 'parked-without-acknowledgement',
    promise: 'a dead letter is acknowledged before its record counts as parked',
    file: `${CONSUMER}/give-up.ts`,
    find: 'return parking.park(deadLetterTopic, request, () => !epoch.dead)',
    replace: 'parking.park(deadLetterTopic, request, () => !epoch.dead).catch(() => {})\n      return undefined',
  },
  {
    name: 'nothing-committed-on-revoke',
    promise: 'what was finished before a rebalance is not repeated',
    file: `${CONSUMER}/assignment.ts`,
    find: 'await committer.flush(epochs, COMMIT_BUDGET_MS)',
    replace: '',
  },
  {
    name: 'no-drain-on-revoke',
    promise: 'handlers under way end before their partitions go',
    file: `${CONSUMER}/assignment.ts`,
    find: "    await drain(going, reason)\n    await runtime.failpoint('revoke:drained')",
    replace: "    for (const { epoch } of going) epoch.stop()\n    await runtime.failpoint('revoke:drained')",
  },
]
