import { acquiring } from './acquiring.ts'
import type { DistributedLockCase } from './distributed-lock-case.ts'
import { holding } from './holding.ts'
import { losing } from './losing.ts'
import { waiting } from './waiting.ts'

export type { DistributedLockWorld } from './distributed-lock-case.ts'

/** All that a distributed lock promises. */
export const distributedLockCases: readonly DistributedLockCase[] = [...acquiring, ...waiting, ...holding, ...losing]
