import { expect, test } from 'vitest'
import type { ConsumerEvents } from '../../src/consumer/index.ts'
import { createEvents } from '../../src/events/index.ts'
import type { RecordOutcome } from '../../src/consumer/record-outcome.ts'
import { reportOutcome } from '../../src/consumer/report-outcome.ts'
import { silentLogger } from '../../src/logger/index.ts'
import type { Logger } from '../../src/logger/index.ts'
import type { InboundRecord } from '../../src/record/index.ts'

const common: readonly RecordOutcome[] = [
  { kind: 'handled', attempts: 1 },
  { kind: 'duplicate' },
  { kind: 'skipped', reason: 'tombstone' },
]
const record: InboundRecord = {
  topic: 'orders',
  partition: 3,
  offset: 7n,
  key: null,
  value: null,
  headers: [],
  timestamp: 0n,
}

test.each(common)(
  'of a record that is $kind no text is made when nobody reads it: a replay has millions',
  (outcome) => {
    const unread = new Proxy(record, {
      get(_, name) {
        throw new Error(`${String(name)} was read`)
      },
    })
    expect(() => reportOutcome(unread, outcome, createEvents<ConsumerEvents>(silentLogger), silentLogger)).not.toThrow()
  },
)

test.each(common.slice(1))(
  'a record that is $kind is told to the log and to listeners, each without the other',
  (outcome) => {
    const said: unknown[] = []
    const note = (fields: unknown): void => void said.push(fields)
    const logger: Logger = { debug: note, info: note, warn: note, error: note }
    reportOutcome(record, outcome, createEvents<ConsumerEvents>(silentLogger), logger)
    expect(said).toEqual([expect.objectContaining({ record: 'orders[3]@7' })])
    const events = createEvents<ConsumerEvents>(silentLogger)
    const heard: unknown[] = []
    for (const name of ['duplicate', 'skipped'] as const)
      events.listen(name, ({ position }) => void heard.push(position))
    reportOutcome(record, outcome, events, silentLogger)
    expect(heard).toEqual([{ topic: 'orders', partition: 3, offset: 7n }])
  },
)
