import { textOf } from '../../record/index.ts'
import type { Attributes } from '@opentelemetry/api'
import { headerText, MESSAGE_HEADERS } from '../../record/index.ts'

import type { ProcessDescription, SendDescription } from '../telemetry.ts'
import type { Semconv } from './semconv.ts'

/** Writes the attributes of spans, by OpenTelemetry's messaging conventions. */
export interface SpanAttributes {
  /** @param operation - `send`, or `create` for what is sent later by somebody else */
  sent(description: SendDescription, operation: 'send' | 'create'): Attributes
  acknowledged(partition: number, offset: bigint): Attributes
  processed(description: ProcessDescription): Attributes
}

/** Longer keys are left out of spans: they would cost more than they tell. */
const MAX_KEY_CHARACTERS = 1_024
/** What `send` lets an id have; a longer one was not made by Holdfast. */
const MAX_ID_CHARACTERS = 200

const NAMES = {
  old: {
    keyName: 'messaging.kafka.message.key',
    tombstoneName: 'messaging.kafka.message.tombstone',
    offsetName: 'messaging.kafka.offset',
  },
  new: { keyName: 'kafka.message.key', tombstoneName: 'kafka.message.tombstone', offsetName: 'kafka.offset' },
} as const

/** @param withKeys - whether keys are written. */
export function spanAttributes(semconv: Semconv, withKeys: boolean): SpanAttributes {
  const names = semconv === 'both' ? [NAMES.old, NAMES.new] : [NAMES[semconv]]

  const describe = (attributes: Attributes, key: string | undefined, tombstone: boolean): Attributes => {
    const keyFits = withKeys && key !== undefined && key.length <= MAX_KEY_CHARACTERS
    for (const { keyName, tombstoneName } of names) {
      if (keyFits) attributes[keyName] = key
      if (tombstone) attributes[tombstoneName] = true
    }
    return attributes
  }
  const withOffset = (attributes: Attributes, offset: bigint): Attributes => {
    // The convention wants a number; one that a double cannot hold would name another record.
    const number = Number(offset)
    if (Number.isSafeInteger(number)) for (const { offsetName } of names) attributes[offsetName] = number
    return attributes
  }

  return {
    sent: ({ topic, messageId, key, tombstone }, operation) =>
      describe(
        {
          'messaging.system': 'kafka',
          'messaging.operation.name': operation,
          'messaging.operation.type': operation,
          'messaging.destination.name': topic,
          'messaging.message.id': messageId,
        },
        key,
        tombstone,
      ),
    acknowledged: (partition, offset) =>
      withOffset({ 'messaging.destination.partition.id': String(partition) }, offset),
    processed({ record, groupId, messageId }) {
      const id = messageId ?? headerText(record.headers, MESSAGE_HEADERS.id)
      const attributes: Attributes = {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': record.topic,
        'messaging.destination.partition.id': String(record.partition),
        'messaging.consumer.group.name': groupId,
      }
      if (id !== undefined && id.length <= MAX_ID_CHARACTERS) attributes['messaging.message.id'] = id
      const key = withKeys && record.key !== null ? textOf(record.key) : undefined
      return describe(withOffset(attributes, record.offset), key, record.value === null)
    },
  }
}
