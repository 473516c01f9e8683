import { createHash } from 'node:crypto'

/**
 * A number from 0 to 1 that depends on its arguments alone: what the simulated outside world decides is the same on every run and
 * after every restart.
 */
export function decided(seed: number, ...about: readonly (string | number)[]): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, ...about]))
    .digest()
  return digest.readUInt32BE(0) / 2 ** 32
}
