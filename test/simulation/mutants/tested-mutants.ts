import type { FoundBy, Mutant } from './mutant.ts'

const KAFKAJS = 'src/driver/kafkajs'
const test = (project: 'unit' | 'broker', file: string): FoundBy => ({ kind: 'test', project, file })

/** What the simulator does not run, or not at its size: a real driver, and thousands of ranges. */
export const testedMutants: readonly Mutant[] = [
  {
    name: 'no-look-at-the-start-position',
    promise: 'an epoch begins at its start position, whatever a late answer brings',
    foundBy: test('unit', 'test/driver/kafkajs/consumer-position.test.ts'),
    file: `${KAFKAJS}/consumer-position.ts`,
    find: "if (position.next !== fetchedOffset) return 'rewind'",
    replace: '',
  },
  {
    name: 'hold-released-before-the-commit',
    promise: 'a join waits until what was under way has drained and is committed',
    foundBy: test('unit', 'test/driver/kafkajs/consumer-rebalancing.test.ts'),
    file: `${KAFKAJS}/consumer-rebalancing.ts`,
    find: 'void drained.then(settle)',
    replace: 'settle()',
  },
  {
    name: 'doubt-forgotten',
    promise: 'after an answer that was lost no refusal proves anything',
    foundBy: test('unit', 'test/driver/kafkajs/produce-call.test.ts'),
    file: `${KAFKAJS}/produce-call.ts`,
    find: 'doubt ||= result.wasEncoded',
    replace: '',
  },
  {
    name: 'poisoned-producer-kept',
    promise: 'a producer whose batch is unknown is never used again',
    foundBy: test('unit', 'test/driver/kafkajs/produce-call.test.ts'),
    file: `${KAFKAJS}/produce-call.ts`,
    find: '  const unknown = (): BatchResult => {\n    inner.retire()',
    replace: '  const unknown = (): BatchResult => {',
  },
  {
    name: 'calls-side-by-side',
    promise: 'one produce call of kafkajs is under way in each partition',
    foundBy: test('unit', 'test/driver/kafkajs/partition-lanes.test.ts'),
    file: `${KAFKAJS}/partition-lanes.ts`,
    find: 'if (before !== undefined && (await deadline.race(before)) === LATE) return LATE',
    replace: '',
  },
  {
    name: 'sequence-used-again-after-an-abort',
    promise: 'a producer whose transaction has failed is thrown away',
    foundBy: test('broker', 'test/broker/kafkajs-producing/transactions.test.ts'),
    file: `${KAFKAJS}/kafkajs-inner-producer.ts`,
    find: '      retired = true\n      if (holders === 0) cutNow()',
    replace: '',
  },
  {
    name: 'ranges-cut-in-the-middle',
    promise: 'finished ranges that do not fit are left out from the highest down',
    foundBy: test('unit', 'test/consumer/finished-ranges.test.ts'),
    file: 'src/consumer/finished-ranges.ts',
    find: 'if (CHECKSUM_BYTES + bytes.length > room) break',
    replace: 'if (CHECKSUM_BYTES + bytes.length > room) {\n      bytes.length = fits\n      continue\n    }',
  },
]
