import type { Runtime } from '../../src/clock/index.ts'
import { createLock } from '../../src/idempotency/create-lock.ts'
import type { DistributedLock } from '../../src/idempotency/index.ts'

/** A server of locks in memory, which several processes may ask. */
export interface MemoryLockServer {
  /** As a process sees it. `reaches` says whether what it sends arrives. */
  client(reaches?: () => boolean): DistributedLock
}

interface Row {
  holder: number | null
  until: number
  token: bigint
}

/** Makes a {@link MemoryLockServer} that keeps the promises of the port, unless it is to forget. */
export function memoryLockServer(
  runtime: Pick<Runtime, 'clock' | 'random'>,
  { forgetsRenewals = false }: { readonly forgetsRenewals?: boolean } = {},
): MemoryLockServer {
  const { clock } = runtime
  const rows = new Map<string, Row>()
  let holders = 0
  const rowOf = (name: string): Row => {
    const row = rows.get(name) ?? { holder: null, until: 0, token: 0n }
    rows.set(name, row)
    return row
  }
  return {
    client(reaches = () => true) {
      const arrive = async (): Promise<void> => {
        await clock.turn()
        if (!reaches()) await new Promise<never>(() => {})
      }
      return createLock(
        {
          name: 'the lock in memory',
          async take(name, leaseMs) {
            const sentAt = clock.monotonic()
            const holder = ++holders
            await arrive()
            const row = rowOf(name)
            if (row.holder !== null && clock.monotonic() < row.until) return null
            Object.assign(row, { holder, until: clock.monotonic() + leaseMs, token: row.token + 1n })
            const giveBack = async (): Promise<void> => {
              await arrive()
              if (row.holder === holder) row.holder = null
            }
            return {
              token: row.token,
              sentAt,
              async renew() {
                await arrive()
                if (row.holder !== holder) return false
                if (!forgetsRenewals) row.until = clock.monotonic() + leaseMs
                return true
              },
              giveBack,
              drop: () => void giveBack(),
            }
          },
          check: async () => {},
        },
        runtime,
      )
    },
  }
}
