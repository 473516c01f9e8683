import type { FoundBy, Mutant } from './mutant.ts'

const CONSUMER = 'src/consumer'
const foundBy: FoundBy = { kind: 'simulation', scenario: 'guarded' }

/** What keeps the promises of dedupe stores that are far away. */
export const guardedMutants: readonly Mutant[] = [
  {
    name: 'unmarked-counts-as-completed',
    promise: 'what could not be marked is not committed, unless the store may be passed over',
    foundBy,
    file: `${CONSUMER}/claim.ts`,
    find: "return unfinished(result.kind === 'failed' && leaseLost(result.thrown) ? 'lease-lost' : 'stopping')",
    replace: "return result.kind === 'failed' && leaseLost(result.thrown) ? unfinished('lease-lost') : 'completed'",
  },
  {
    name: 'store-out-is-passed-over',
    promise: 'a store that is out pauses its partition, unless it may be passed over',
    foundBy,
    file: `${CONSUMER}/claim.ts`,
    find: "return onStoreDown === 'handle'",
    replace: 'return true',
  },
  {
    name: 'unguarded-untold',
    promise: 'what goes on without its store is told',
    foundBy,
    file: `${CONSUMER}/claim.ts`,
    find: "    reportUnguarded('begin', begun.thrown, delivery, pipeline)\n",
    replace: '',
  },
  {
    name: 'late-begin-kept',
    promise: 'a lease of which its process hears too late is given back',
    foundBy,
    file: `${CONSUMER}/claim.ts`,
    find: '    answer.then(giveBack).catch(ignore)\n',
    replace: '    void giveBack\n    answer.catch(ignore)\n',
  },
  {
    name: 'leases-not-renewed',
    promise: 'a lease lasts as long as its handler is at work',
    foundBy,
    file: `${CONSUMER}/lease-keeper.ts`,
    find: 'else if (!lease.renewing) void renew(lease)',
    replace: '',
  },
  {
    name: 'lost-lease-counts-as-completed',
    promise: 'a message whose lease was lost is not taken for marked',
    foundBy,
    file: `${CONSUMER}/claim.ts`,
    find: "if (result.kind === 'succeeded') return 'completed'\n    if (epoch.dead)",
    replace:
      "if (result.kind === 'succeeded' || (result.kind === 'failed' && leaseLost(result.thrown))) return 'completed'\n    if (epoch.dead)",
  },
  {
    name: 'parked-stored-as-handled',
    promise: 'a mark says that its message was parked',
    foundBy,
    file: `${CONSUMER}/process-record.ts`,
    find: "completeMessage(claim, end.kind === 'parked' ? 'parked' : 'handled', delivery, pipeline)",
    replace: "completeMessage(claim, 'handled', delivery, pipeline)",
  },
  {
    name: 'interruption-is-an-attempt',
    promise: 'a call that was interrupted uses up no attempt',
    foundBy,
    file: `${CONSUMER}/handle-message.ts`,
    find: 'const isNoAttempt = isInterrupted ||',
    replace: 'const isNoAttempt =',
  },
  {
    name: 'batches-hold-and-wait',
    promise: 'batches that have each other’s messages do not wait for one another for ever',
    foundBy: { kind: 'test', project: 'unit', file: 'test/consumer/batch.test.ts' },
    file: `${CONSUMER}/batch-gathering.ts`,
    find: 'for (const each of awaiting) if (each.record.offset < record.offset) return true',
    replace: 'if (record === null) return true',
  },
  {
    name: 'stored-attempts-ignored',
    promise: 'attempts go on counting where the store says that they stand',
    foundBy,
    file: `${CONSUMER}/claim.ts`,
    find: "return { kind: 'claim', attempt, lease: delivery.lease, counted: false, failedAttempts: attempt - 1 }",
    replace: "return { kind: 'claim', attempt: 1, lease: delivery.lease, counted: false, failedAttempts: 0 }",
  },
  {
    name: 'twins-in-a-batch',
    promise: 'two records of one message are not in one batch, where each would wait for the other',
    foundBy,
    file: `${CONSUMER}/batch-source.ts`,
    find: 'if (ids.has(messageId)) break',
    replace: '',
  },
  {
    name: 'handled-together-for-ever',
    promise: 'a message that comes again after its batch was handled answers for itself',
    foundBy: { kind: 'test', project: 'unit', file: 'test/consumer/batch.test.ts' },
    file: `${CONSUMER}/batch-gathering.ts`,
    find: '      together.delete(delivery) // it may come again, by itself\n',
    replace: '',
  },
]
