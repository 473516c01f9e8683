import type { FoundBy, Mutant } from './mutant.ts'

const byTest = (file: string): FoundBy => ({ kind: 'test', project: 'unit', file })
const onServers: FoundBy = { kind: 'test', project: 'broker', file: 'test/broker/cli/migrate.test.ts' }

/** What keeps a consumer from starting on numbers that break a promise, and two deploys from clashing. */
export const planMutants: readonly Mutant[] = [
  {
    name: 'starts-on-a-broken-bound',
    promise: 'a consumer does not start on a bound that does not hold',
    foundBy: byTest('test/consumer/plan.test.ts'),
    file: 'src/consumer/plan-bounds.ts',
    find: 'holds === false && !paths.has(path)',
    replace: 'holds === false && paths.has(path)',
  },
  {
    name: 'lease-as-long-as-the-handler',
    promise: 'a lease outlives its handler by default',
    foundBy: byTest('test/consumer/plan.test.ts'),
    file: 'src/consumer/subscription.ts',
    find: 'handlerTimeoutMs + LEASE_BEYOND_HANDLER_MS',
    replace: 'handlerTimeoutMs',
  },
  {
    name: 'jitter-not-in-the-plan',
    promise: 'no message is retried for longer than the plan says',
    foundBy: byTest('test/retry/longest-waits.test.ts'),
    file: 'src/retry/longest-waits.ts',
    find: 'backoffDelay(policy, failures, 1)',
    replace: 'backoffDelay(policy, failures, 0.5)',
  },
  {
    name: 'migrations-side-by-side',
    promise: 'of two migrations at a time one makes the table',
    foundBy: onServers,
    file: 'src/cli/migration.ts',
    find: "  await client.query('select pg_advisory_xact_lock($1::bigint)', [LOCK])\n",
    replace: '',
  },
  {
    name: 'migration-makes-writers-wait',
    promise: 'a table in use is looked at without making its writers wait',
    foundBy: onServers,
    file: 'src/cli/migrate-dedupe-table.ts',
    find: 'if (!before.table || !before.index) await',
    replace: 'await',
  },
]
