import { HoldfastError } from '../errors/index.ts'
import type { Compression } from './capabilities.ts'
import type { Driver } from './driver.ts'

/** @throws HOLDFAST_UNSUPPORTED when a driver cannot write records safely, or not compressed like this. */
export function refuseUnableProducer({ capabilities, name }: Driver, compression: Compression): void {
  if (!capabilities.idempotentProducer) {
    const why = 'an answer that is lost could lose or double a message'
    throw new HoldfastError('HOLDFAST_UNSUPPORTED', `${name} has no idempotent producer: ${why}`)
  }
  if (!capabilities.compression.includes(compression)) {
    const able = capabilities.compression.join(', ')
    throw new HoldfastError('HOLDFAST_UNSUPPORTED', `compression: ${name} cannot do ${compression}, only ${able}`)
  }
}
