import type { Driver } from '../../../src/driver/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'

const DRIVERS: Readonly<Record<string, (options: { clientId: string; brokers: string[] }) => Driver>> = {
  kafkajs: (options) => kafkajsDriver({ ...options, connectionTimeout: 3_000, requestTimeout: 10_000 }),
}

/** The drivers that a run can be asked for. */
export const DRIVER_NAMES: readonly string[] = Object.keys(DRIVERS)

/** @throws Error naming the drivers there are. */
export function workerDriver(name: string, clientId: string, brokers: readonly string[]): Driver {
  const make = DRIVERS[name]
  if (make === undefined) throw new Error(`there is no driver ${name}; there is ${DRIVER_NAMES.join(', ')}`)
  return make({ clientId, brokers: [...brokers] })
}
