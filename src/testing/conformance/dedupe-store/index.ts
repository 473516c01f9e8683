import { attempts } from './attempts.ts'
import { beginning } from './beginning.ts'
import { completing } from './completing.ts'
import type { DedupeStoreCase } from './dedupe-store-case.ts'
import { renewing } from './renewing.ts'
import { replaying } from './replaying.ts'

export type { DedupeStoreWorld } from './dedupe-store-case.ts'

/** All that a dedupe store promises. */
export const dedupeStoreCases: readonly DedupeStoreCase[] = [
  ...beginning,
  ...attempts,
  ...completing,
  ...renewing,
  ...replaying,
]
