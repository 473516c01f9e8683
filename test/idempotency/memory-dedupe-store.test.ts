import { describe, expect, test } from 'vitest'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import type { VirtualRuntime } from '../../src/testing/index.ts'
import { dedupeStoreConformance, virtualRuntime } from '../../src/testing/index.ts'

dedupeStoreConformance({
  name: 'the memory store',
  describe,
  test,
  ttlMs: 60_000,
  async create() {
    const runtime = virtualRuntime()
    return {
      store: memoryDedupeStore({ ttlMs: 60_000, runtime }),
      tick: runtime.advance,
      now: () => runtime.clock.now(),
      close: async () => {},
    }
  },
})
