import type { FoundBy, Mutant } from './mutant.ts'

const PRODUCER = 'src/producer'
const foundBy: FoundBy = { kind: 'simulation', scenario: 'producing' }

/** What keeps the promises of a producer. */
export const producingMutants: readonly Mutant[] = [
  {
    name: 'two-produces-in-flight',
    promise: 'one produce call is under way in each partition',
    foundBy,
    file: `${PRODUCER}/partition-queue.ts`,
    find: 'if (running) return\n      running = true',
    replace: 'running = true',
  },
  {
    name: 'unknown-is-repeated',
    promise: 'what may have been written is not written again',
    foundBy,
    file: `${PRODUCER}/partition-queue.ts`,
    find: "return error.code === 'HOLDFAST_UNAVAILABLE' && error.retriable ? 'again' : undefined",
    replace: "return error.retriable || error.code === 'HOLDFAST_INDETERMINATE' ? 'again' : undefined",
  },
  {
    name: 'later-overtakes-repeated',
    promise: 'what was not written is repeated before anything behind it',
    foundBy,
    file: `${PRODUCER}/partition-queue.ts`,
    find: 'parts.push(verdict.again)',
    replace: 'queue.push(...verdict.again)',
  },
  {
    name: 'halves-swapped',
    promise: 'a batch that is split is written in its order',
    foundBy,
    file: `${PRODUCER}/partition-queue.ts`,
    find: 'parts.push(verdict.split.slice(0, middle))',
    replace: 'parts.unshift(verdict.split.slice(0, middle))',
  },
  {
    name: 'bad-record-fails-its-batch',
    promise: 'a record that is refused does not fail its neighbours',
    foundBy,
    file: `${PRODUCER}/partition-queue.ts`,
    find: "if (REFUSES_A_RECORD.has(error.code)) return among > 1 ? 'split' : undefined",
    replace: 'if (REFUSES_A_RECORD.has(error.code)) return undefined',
  },
  {
    name: 'handed-over-counts-as-unwritten',
    promise: 'only what was not handed over is said to be unwritten',
    foundBy,
    file: `${PRODUCER}/pending-send.ts`,
    find: "const handed = this.phase === 'handed'",
    replace: 'const handed = false',
  },
  {
    name: 'deadlines-not-kept',
    promise: 'every send ends by its deadline',
    foundBy,
    file: `${PRODUCER}/deadlines.ts`,
    find: '      onExpired(send)\n',
    replace: '',
  },
  {
    name: 'flush-does-not-wait',
    promise: 'a flush waits for what was sent before',
    foundBy,
    file: `${PRODUCER}/create-producer.ts`,
    find: 'const ended = pipeline.ended(pipeline.live())',
    replace: 'const ended = Promise.resolve()',
  },
  {
    name: 'close-does-not-wait',
    promise: 'a close waits for what was sent before',
    foundBy,
    file: `${PRODUCER}/create-producer.ts`,
    find: 'await Promise.race([drained, clock.sleep(timeoutMs, inTime.signal).catch(() => {})])',
    replace: '',
  },
]
