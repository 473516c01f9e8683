import { fetching } from './fetching.ts'
import { inserting } from './inserting.ts'
import { leasing } from './leasing.ts'
import { ordering } from './ordering.ts'
import type { OutboxStoreCase } from './outbox-store-case.ts'
import { settingAside } from './setting-aside.ts'

export type { OutboxStoreWorld } from './outbox-store-case.ts'

/** All that an outbox store promises. */
export const outboxStoreCases: readonly OutboxStoreCase[] = [
  ...inserting,
  ...ordering,
  ...fetching,
  ...leasing,
  ...settingAside,
]
