import { atMostOnceMutants } from './at-most-once-mutants.ts'
import { consumingMutants } from './consuming-mutants.ts'
import { guardedMutants } from './guarded-mutants.ts'
import { idempotencyMutants } from './idempotency-mutants.ts'
import { lockMutants } from './lock-mutants.ts'
import type { Mutant } from './mutant.ts'
import { outboxMutants } from './outbox-mutants.ts'
import { planMutants } from './plan-mutants.ts'
import { producingMutants } from './producing-mutants.ts'
import { testedMutants } from './tested-mutants.ts'
import { transactingMutants } from './transacting-mutants.ts'

export type { Mutant } from './mutant.ts'

/** Of each, what stands in the source exactly once, and what is put in its place. */
export const mutants: readonly Mutant[] = [
  ...consumingMutants,
  ...producingMutants,
  ...transactingMutants,
  ...idempotencyMutants,
  ...atMostOnceMutants,
  ...planMutants,
  ...lockMutants,
  ...guardedMutants,
  ...outboxMutants,
  ...testedMutants,
]
