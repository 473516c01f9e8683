import { expect, test } from 'vitest'
import type { SendObservation, Telemetry } from '../../src/telemetry/index.ts'
import { noTelemetry } from '../../src/telemetry/index.ts'
import { letters, world } from './world.ts'

const fails = (): never => {
  throw new Error('a span processor')
}
const observed = (observation: Partial<SendObservation>): Telemetry => ({
  ...noTelemetry,
  sending: () => ({ headers: [], succeeded() {}, failed() {}, ...observation }),
})

test.each<[string, Telemetry]>([
  ['sending', { ...noTelemetry, sending: fails }],
  ['succeeded', observed({ succeeded: fails })],
  [
    'headers',
    observed({
      get headers() {
        return fails()
      },
    }),
  ],
])('telemetry whose %s throws keeps nothing from being sent, now or later', async (_, telemetry) => {
  const { producer, runtime } = world({ telemetry })
  const first = await runtime.run(producer.send(letters, 'k:one'))
  const second = await runtime.run(producer.send(letters, 'k:two'))
  expect([first.offset, second.offset]).toEqual([0n, 1n])
})
