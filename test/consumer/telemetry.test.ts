import { expect, test } from 'vitest'
import type { ProcessObservation, Telemetry } from '../../src/telemetry/index.ts'
import { noTelemetry } from '../../src/telemetry/index.ts'
import { ids, orders, world } from './world.ts'

const fails = (): never => {
  throw new Error('a span processor')
}
const observed = (observation: Partial<ProcessObservation>): Telemetry => ({
  ...noTelemetry,
  processing: (description) => ({ ...noTelemetry.processing(description), ...observation }),
})

test.each<[string, Telemetry]>([
  ['processing', { ...noTelemetry, processing: fails }],
  ['run, before the handler', observed({ run: fails })],
  [
    'run, after the handler',
    observed({
      run(call) {
        call()
        return fails()
      },
    }),
  ],
  [
    'run, behind the handler’s promise',
    observed({
      run: (<T>(call: () => Promise<T>) => call().then(fails)) as ProcessObservation['run'],
    }),
  ],
  [
    'run, after it has called the handler twice',
    observed({
      run(call) {
        call()
        call()
        return fails()
      },
    }),
  ],
  ['run, which calls nothing', observed({ run: (() => undefined) as ProcessObservation['run'] })],
  ['attemptFailed', observed({ attemptFailed: fails })],
  [
    'headers',
    observed({
      get headers() {
        return fails()
      },
    }),
  ],
  ['ended', observed({ ended: fails })],
])(
  'telemetry that throws in %s changes nothing for the records: each is handled once, or parked',
  async (_, telemetry) => {
    const { consumer, append, runtime, start, committed, deadLetters } = world()
    append([...ids(2), { id: 'bad' }])
    const calls: string[] = []
    const one = consumer({ telemetry }).on(
      orders,
      async ({ value }) => {
        calls.push(value.id)
        if (value.id === 'bad') throw new Error('no')
      },
      { retry: { maxAttempts: 2, initialDelayMs: 10 } },
    )
    await start(one)
    await runtime.runUntil(() => committed() === 3n)
    expect([calls, deadLetters().length]).toEqual([['o-1', 'o-2', 'bad', 'bad'], 1])
    expect(one.health().status).toBe('healthy')
    await runtime.run(one.close())
  },
)
