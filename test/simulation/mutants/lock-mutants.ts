import type { FoundBy, Mutant } from './mutant.ts'

const byTest = (file: string): FoundBy => ({ kind: 'test', project: 'unit', file })
const onServers: FoundBy = { kind: 'test', project: 'broker', file: 'test/broker/stores/locks.test.ts' }

/** What keeps a lock from having two holders, and tells the one who has it no more. */
export const lockMutants: readonly Mutant[] = [
  {
    name: 'lock-never-lost',
    promise: 'a holder that is cut off is told',
    foundBy: byTest('test/testing/conformance/distributed-lock-conformance.test.ts'),
    file: 'src/idempotency/held-lock.ts',
    find: "() => lose('the lock could not be renewed in time')",
    replace: '() => {}',
  },
  {
    name: 'lock-lost-too-late',
    promise: 'a holder that is cut off is told before anybody else can have the lock',
    foundBy: byTest('test/testing/conformance/distributed-lock-conformance.test.ts'),
    file: 'src/idempotency/held-lock.ts',
    find: 'const LOST_AFTER = 3 / 4',
    replace: 'const LOST_AFTER = 5 / 4',
  },
  {
    name: 'lock-renewed-by-a-zombie',
    promise: 'a process that stood still does not renew what may be another’s',
    foundBy: byTest('test/idempotency/held-lock.test.ts'),
    file: 'src/idempotency/held-lock.ts',
    find: "if (leftMs() <= 0) return lose('this process stood still for too long to know that it still had the lock')",
    replace: '',
  },
  {
    name: 'lock-left-behind',
    promise: 'a lock that comes when nobody waits for it any more is given back',
    foundBy: byTest('test/idempotency/held-lock.test.ts'),
    file: 'src/idempotency/create-lock.ts',
    find: '(late) => late?.giveBack().catch(ignore),',
    replace: '() => {},',
  },
  {
    name: 'redis-lock-given-twice',
    promise: 'one holder at a time',
    foundBy: onServers,
    file: 'src/idempotency/redis/lock-scripts.ts',
    find: 'if kept[1] and not isOurs and now < number(kept[2]) then return false end',
    replace: '',
  },
  {
    name: 'redis-lock-freed-by-anybody',
    promise: 'a lock that is lost is not given back for its successor',
    foundBy: onServers,
    file: 'src/idempotency/redis/lock-scripts.ts',
    find: "if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end\nredis.call('HDEL'",
    replace: "redis.call('HDEL'",
  },
  {
    name: 'redis-token-stands-still',
    promise: 'a token is greater than every earlier one',
    foundBy: onServers,
    file: 'src/idempotency/redis/lock-scripts.ts',
    find: 'math.max(number(kept[3]) + 1, time[1] * 1000000 + time[2])',
    replace: 'math.max(number(kept[3]), 1)',
  },
  {
    name: 'postgres-lock-never-ends',
    promise: 'a holder that stands still does not keep its lock for ever',
    foundBy: onServers,
    file: 'src/idempotency/postgres/lock-sql.ts',
    find: "set_config('idle_session_timeout', ($3::bigint)::text, false)",
    replace: "set_config('idle_session_timeout', ($3::bigint * 0)::text, false)",
  },
  {
    name: 'postgres-lock-through-a-pooler',
    promise: 'a lock is not taken on a session that others use',
    foundBy: onServers,
    file: 'src/idempotency/postgres/postgres-lock.ts',
    find: 'allowPooler ? null : toldPid(client)',
    replace: 'allowPooler || toldPid(client) !== 0 ? null : 0',
  },
]
