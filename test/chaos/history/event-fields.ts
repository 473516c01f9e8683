import type { EventBody, EventOf, Stamp } from './history-event.ts'

/** What a field holds in the file. Offsets travel as decimal text: JSON's numbers end at 2^53. */
export type FieldKind =
  'text' | 'text or null' | 'number' | 'number or null' | 'boolean' | 'offset' | 'ranges' | 'texts'

interface Field {
  readonly kind: FieldKind
  readonly optional: boolean
}

type Kind = EventBody['f']
type FieldsOf<F extends Kind> = { readonly [K in Exclude<keyof EventOf<F>, keyof Stamp | 'f'>]-?: Field }

const need = (kind: FieldKind): Field => ({ kind, optional: false })
const may = (kind: FieldKind): Field => ({ kind, optional: true })

const text = need('text')
const place = { topic: text, partition: need('number') }
const partition = { group: text, ...place }
const record = { ...partition, offset: need('offset') }
const ownership = { ...partition, epoch: need('number') }
const delivery = {
  ...record,
  epoch: may('number'),
  key: need('text or null'),
  value: text,
  attempt: need('number'),
}
const doubt = { value: text, code: text, txn: may('text') }
const transaction = { txn: text, transactionalId: text }
const commit = { ...record, epoch: need('number'), metadata: may('text'), ranges: may('ranges') }
const commitFailure = { ...record, epoch: need('number'), code: text }

/** The fields of every kind of event, the stamp left out. The compiler holds it equal to the types. */
export const EVENT_FIELDS: { readonly [F in Kind]: FieldsOf<F> } = {
  start: { role: text, of: may('text') },
  stop: {
    role: text,
    of: may('text'),
    exitCode: may('number or null'),
    signal: may('text or null'),
    unhandled: may('text'),
  },
  'produce-invoke': { value: text, key: need('text or null'), topic: text, partition: may('number'), txn: may('text') },
  'produce-ok': { value: text, ...place, offset: need('offset'), txn: may('text') },
  'produce-fail': doubt,
  'produce-info': doubt,
  'txn-begin': transaction,
  'txn-commit': transaction,
  'txn-abort': transaction,
  'txn-info': transaction,
  assign: { ...ownership, start: may('offset') },
  revoke: { ...ownership, inFlight: may('number') },
  lost: { ...ownership, inFlight: may('number') },
  deliver: delivery,
  'handler-begin': delivery,
  'handler-end': { ...delivery, result: text, code: may('text') },
  retry: { ...record, attempt: need('number'), delayMs: need('number'), code: may('text') },
  dedupe: { ...record, value: text, hit: need('boolean') },
  refused: { ...record, operation: text },
  handled: record,
  paused: { ...partition, reason: text },
  store: { group: text, operation: text, value: text, result: text, tries: may('number'), code: may('text') },
  'store-loss': { since: may('number') },
  transaction: { txn: text, result: text, messages: need('number'), code: may('text') },
  'relay-send': { batch: need('number'), ...place, ids: need('texts') },
  'relay-answer': { batch: need('number'), acked: need('texts'), offsets: need('texts'), code: may('text') },
  'relay-mark': { phase: text, ids: need('texts') },
  bucket: { change: text, bucket: need('number'), epoch: need('offset') },
  'stand-still': { failpoint: text },
  'wall-clock': { offsetMs: need('number') },
  park: { ...record, deadLetterTopic: text, code: text },
  'commit-invoke': commit,
  'commit-ok': commit,
  'commit-fail': commitFailure,
  'commit-info': commitFailure,
  reset: { ...partition, from: need('offset'), to: need('offset'), why: text },
  nemesis: { fault: text, target: text, phase: text },
  health: { group: text, state: text, reason: may('text') },
  resources: {
    rssMb: need('number'),
    heapMb: need('number'),
    sockets: need('number'),
    timers: need('number'),
    inFlight: need('number'),
    bufferedBytes: may('number'),
    phase: may('text'),
  },
  log: { level: text, text },
}
