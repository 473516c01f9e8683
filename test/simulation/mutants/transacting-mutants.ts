import type { FoundBy, Mutant } from './mutant.ts'

const foundBy: FoundBy = { kind: 'simulation', scenario: 'transacting' }

/** What keeps the promises of transactions. */
export const transactingMutants: readonly Mutant[] = [
  {
    name: 'commit-in-spite-of-a-failure',
    promise: 'a send that fails makes the commit impossible',
    foundBy,
    file: 'src/producer/transactions.ts',
    find: 'if (attempt.failure !== undefined) {',
    replace: 'if (false) {',
  },
  {
    name: 'sends-not-awaited',
    promise: 'a commit waits for every send of its transaction',
    foundBy,
    file: 'src/producer/transactions.ts',
    find: '    await attempt.finish()\n',
    replace: '',
  },
  {
    name: 'unknown-commit-called-rolled-back',
    promise: 'a commit without an answer is said to be unknown',
    foundBy,
    file: 'src/producer/transactions.ts',
    find: "if (HoldfastError.is(error, 'HOLDFAST_INDETERMINATE')) throw error",
    replace: '',
  },
  {
    name: 'failed-work-left-open',
    promise: 'work that throws is rolled back',
    foundBy,
    file: 'src/producer/transactions.ts',
    find: '      await attempt.rollBack(error)\n      throw error\n    }\n    await attempt.finish()',
    replace: '      throw error\n    }\n    await attempt.finish()',
  },
]
