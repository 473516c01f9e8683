import { context, diag, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { TextMapPropagator } from '@opentelemetry/api'
import { core } from '@opentelemetry/sdk-node'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Header } from '../../../src/record/index.ts'
import { headerText, textHeader } from '../../../src/record/index.ts'
import { openTelemetry, semconvFrom } from '../../../src/telemetry/otel/index.ts'
import { inbound, registerSdk, unregisterSdk } from './recorded-spans.ts'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'
const TRACEPARENT = textHeader('traceparent', `00-${TRACE_ID}-${SPAN_ID}-01`)
const TRACESTATE = textHeader('tracestate', 'congo=t61rcWkgMzE')
const SEND = { topic: 'orders', messageId: 'id-1', key: 'order-1', tombstone: false }

const traceparent = (headers: readonly Header[]): string | undefined => headerText(headers, 'traceparent')
const names = (headers: readonly Header[]): string[] => headers.map(([name]) => name)

afterEach(unregisterSdk)

describe('with an SDK', () => {
  let spans: ReturnType<typeof registerSdk>
  beforeEach(() => {
    spans = registerSdk()
  })

  test('a send makes a producer span with the attributes of the messaging conventions', () => {
    openTelemetry().sending(SEND, []).succeeded(3, 4711n)
    const span = spans.named('send orders')
    expect(span.kind).toBe(SpanKind.PRODUCER)
    expect(span.status.code).toBe(SpanStatusCode.UNSET)
    expect(span.attributes).toEqual({
      'messaging.system': 'kafka',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'orders',
      'messaging.destination.partition.id': '3',
      'messaging.message.id': 'id-1',
      'messaging.kafka.message.key': 'order-1',
      'messaging.kafka.offset': 4711,
    })
  })

  test('a failed send says of what kind, and no message that could hold data', () => {
    openTelemetry().sending(SEND, []).failed('HOLDFAST_UNAVAILABLE')
    const span = spans.named('send orders')
    expect(span.attributes['error.type']).toBe('HOLDFAST_UNAVAILABLE')
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR })
  })

  test('a send hands its own span on in the headers, so that the consumer’s span becomes its child', () => {
    const sending = openTelemetry().sending(SEND, [])
    sending.succeeded(0, 0n)
    const { traceId, spanId } = spans.named('send orders').spanContext()
    expect(sending.headers).toEqual([textHeader('traceparent', `00-${traceId}-${spanId}-01`)])
  })

  test('what an outbox keeps makes a create span, and the send of its relay is a child of that', () => {
    const telemetry = openTelemetry()
    const creating = telemetry.creating(SEND, [])
    creating.succeeded()
    const created = spans.named('create orders')
    expect([created.kind, created.status.code]).toEqual([SpanKind.PRODUCER, SpanStatusCode.UNSET])
    expect(created.attributes).toMatchObject({
      'messaging.operation.name': 'create',
      'messaging.operation.type': 'create',
      'messaging.message.id': 'id-1',
    })
    const { traceId, spanId } = created.spanContext()
    expect(creating.headers).toEqual([textHeader('traceparent', `00-${traceId}-${spanId}-01`)])
    const sending = telemetry.sending(SEND, creating.headers)
    sending.succeeded(0, 0n)
    const sent = spans.named('send orders')
    expect([sent.kind, sent.parentSpanContext?.spanId, sent.spanContext().traceId]).toEqual([
      SpanKind.CLIENT,
      spanId,
      traceId,
    ])
    expect(sending.headers).toEqual([]) // the stored context is the record's
  })

  test('a context of the caller’s own is the parent of a create span, and stays in the headers as it is', () => {
    const creating = openTelemetry().creating(SEND, [TRACEPARENT])
    creating.failed('40P01')
    const span = spans.named('create orders')
    expect([creating.headers, span.parentSpanContext?.spanId, span.spanContext().traceId]).toEqual([
      [],
      SPAN_ID,
      TRACE_ID,
    ])
    expect([span.attributes['error.type'], span.status]).toEqual(['40P01', { code: SpanStatusCode.ERROR }])
  })

  test('a create inside a span is its child', () => {
    trace.getTracer('test').startActiveSpan('POST /orders', (span) => {
      openTelemetry().creating(SEND, []).succeeded()
      expect(spans.named('create orders').parentSpanContext?.spanId).toBe(span.spanContext().spanId)
      span.end()
    })
  })

  test('a send inside a span is its child', () => {
    trace.getTracer('test').startActiveSpan('POST /orders', (span) => {
      openTelemetry().sending(SEND, []).succeeded(0, 0n)
      span.end()
    })
    expect(spans.named('send orders').parentSpanContext?.spanId).toBe(spans.named('POST /orders').spanContext().spanId)
  })

  test('a trace context that the caller gave is kept, added to by nothing, and is the parent', () => {
    const sending = openTelemetry().sending(SEND, [TRACEPARENT])
    sending.succeeded(0, 0n)
    expect(sending.headers).toEqual([])
    const span = spans.named('send orders')
    expect(span.kind).toBe(SpanKind.CLIENT)
    expect(span.parentSpanContext).toMatchObject({ traceId: TRACE_ID, spanId: SPAN_ID })
  })

  test('nor does anything of the current context join the one that the caller gave: it belongs to another trace', () => {
    const ambient = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ tenant: { value: 'a' } }))
    context.with(ambient, () => expect(openTelemetry().sending(SEND, [TRACEPARENT]).headers).toEqual([]))
  })

  test('a malformed context that the caller gave is no parent, and still no name appears twice', () => {
    const sending = openTelemetry().sending(SEND, [textHeader('Traceparent', 'nonsense')])
    sending.succeeded(0, 0n)
    expect(names(sending.headers)).not.toContain('traceparent')
    expect(spans.named('send orders').parentSpanContext).toBeUndefined()
  })

  test('baggage of the caller is not doubled either', () => {
    const ambient = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ tenant: { value: 'a' } }))
    context.with(ambient, () => {
      expect(names(openTelemetry().sending(SEND, []).headers)).toEqual(['traceparent', 'baggage'])
      expect(names(openTelemetry().sending(SEND, [textHeader('baggage', 'tenant=b')]).headers)).toEqual(['traceparent'])
    })
  })

  test('processing makes a consumer span that is a child of the send', () => {
    const record = inbound({ headers: [textHeader('traceparent', 'an older hop'), TRACEPARENT, TRACESTATE] })
    openTelemetry().processing({ record, groupId: 'inventory', messageId: 'id-1' }).ended('handled')
    const span = spans.named('process orders')
    expect(span.kind).toBe(SpanKind.CONSUMER)
    expect(span.parentSpanContext).toMatchObject({ traceId: TRACE_ID, spanId: SPAN_ID, isRemote: true })
    expect(span.links).toEqual([])
    expect(span.spanContext().traceState?.serialize()).toBe('congo=t61rcWkgMzE')
    expect(span.attributes).toEqual({
      'messaging.system': 'kafka',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'orders',
      'messaging.destination.partition.id': '3',
      'messaging.consumer.group.name': 'inventory',
      'messaging.message.id': 'id-1',
      'messaging.kafka.message.key': 'order-1',
      'messaging.kafka.offset': 4711,
      'holdfast.outcome': 'handled',
    })
  })

  test('what the handler sends belongs to the record’s trace, over its awaits', async () => {
    const telemetry = openTelemetry()
    const processing = telemetry.processing({ record: inbound({ headers: [TRACEPARENT] }), groupId: 'inventory' })
    const sent = await processing.run(async () => {
      await Promise.resolve()
      const sending = telemetry.sending({ ...SEND, topic: 'payments' }, [])
      sending.succeeded(0, 0n)
      return sending
    })
    processing.ended('handled')
    expect(spans.named('send payments').parentSpanContext?.spanId).toBe(
      spans.named('process orders').spanContext().spanId,
    )
    expect(traceparent(sent.headers)).toContain(TRACE_ID)
  })

  test('the span that was current at the start of processing is linked, never the parent: else all work of a consumer hung on it', () => {
    trace.getTracer('test').startActiveSpan('start the service', (span) => {
      openTelemetry().processing({ record: inbound(), groupId: 'inventory' }).ended('handled')
      span.end()
    })
    const span = spans.named('process orders')
    expect(span.parentSpanContext).toBeUndefined()
    expect(span.links.map((link) => link.context.spanId)).toEqual([
      spans.named('start the service').spanContext().spanId,
    ])
  })

  test('with `link` processing begins a trace of its own that points to the send', () => {
    const telemetry = openTelemetry({ producerAs: 'link' })
    telemetry.processing({ record: inbound({ headers: [TRACEPARENT] }), groupId: 'inventory' }).ended('handled')
    const span = spans.named('process orders')
    expect(span.parentSpanContext).toBeUndefined()
    expect(span.spanContext().traceId).not.toBe(TRACE_ID)
    expect(span.links.map((link) => link.context.spanId)).toEqual([SPAN_ID])
  })

  test('a failed attempt is an event, and a parked end has its kind of error', () => {
    const processing = openTelemetry().processing({ record: inbound(), groupId: 'inventory' })
    processing.attemptFailed(1, 'TimeoutError')
    processing.ended('parked', 'TimeoutError')
    const span = spans.named('process orders')
    expect(span.events.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
      { name: 'holdfast.attempt_failed', attributes: { 'holdfast.attempt': 1, 'error.type': 'TimeoutError' } },
    ])
    expect(span.attributes).toMatchObject({ 'holdfast.outcome': 'parked', 'error.type': 'TimeoutError' })
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR })
  })

  test('a record without a context gets one when it is parked; one with a context keeps its own alone', () => {
    const without = openTelemetry().processing({ record: inbound(), groupId: 'inventory' })
    without.ended('parked')
    const { traceId, spanId } = spans.named('process orders').spanContext()
    expect(traceparent(without.headers)).toBe(`00-${traceId}-${spanId}-01`)
    expect(openTelemetry().processing({ record: inbound({ headers: [TRACEPARENT] }), groupId: 'g' }).headers).toEqual(
      [],
    )
  })

  test('nor is a context in another format added to one that a parked record brings', () => {
    const w3c = new core.W3CTraceContextPropagator()
    const propagator: TextMapPropagator = {
      fields: () => ['traceparent', 'b3'],
      extract: (...args) => w3c.extract(...args),
      inject: (_, carrier, setter) => {
        setter.set(carrier, 'b3', 'first')
        setter.set(carrier, 'B3', 'second')
      },
    }
    const parked = (headers: readonly Header[]): readonly Header[] =>
      openTelemetry({ propagator }).processing({ record: inbound({ headers }), groupId: 'g' }).headers
    expect(parked([TRACEPARENT])).toEqual([])
    expect(parked([])).toEqual([textHeader('B3', 'second')]) // written twice, there once
  })

  test('a key or id of a length that would cost more than it tells is left out', () => {
    const record = inbound({ key: Buffer.alloc(1_025, 'k'), headers: [textHeader('holdfast-id', 'i'.repeat(201))] })
    openTelemetry().processing({ record, groupId: 'g' }).ended('handled')
    const { attributes } = spans.named('process orders')
    expect(attributes).not.toHaveProperty('messaging.kafka.message.key')
    expect(attributes).not.toHaveProperty('messaging.message.id')
  })

  test('without a tracer the registered propagator alone still hands the context on', async () => {
    trace.disable()
    const telemetry = openTelemetry()
    const record = inbound({ headers: [TRACEPARENT, TRACESTATE] })
    const processing = telemetry.processing({ record, groupId: 'g' })
    const sent = await processing.run(async () => {
      await Promise.resolve()
      return telemetry.sending(SEND, []).headers
    })
    processing.ended('handled')
    expect(sent).toEqual([TRACEPARENT, TRACESTATE])
    expect(telemetry.sending(SEND, [TRACEPARENT]).headers).toEqual([])
  })

  test('a tombstone, a null key and a key that is no text make no attribute that would lie', () => {
    const telemetry = openTelemetry()
    telemetry.processing({ record: inbound({ value: null, key: null }), groupId: 'g' }).ended('handled')
    telemetry.processing({ record: inbound({ key: Uint8Array.of(0xff) }), groupId: 'g' }).ended('handled')
    const [tombstone, binary] = spans.finished()
    expect(tombstone?.attributes['messaging.kafka.message.tombstone']).toBe(true)
    expect(tombstone?.attributes).not.toHaveProperty('messaging.kafka.message.key')
    expect(binary?.attributes).not.toHaveProperty('messaging.kafka.message.tombstone')
    expect(binary?.attributes).not.toHaveProperty('messaging.kafka.message.key')
  })

  test('keys stay out of spans where they are personal data', () => {
    const telemetry = openTelemetry({ messageKeys: false })
    telemetry.sending(SEND, []).succeeded(0, 0n)
    telemetry.processing({ record: inbound(), groupId: 'g' }).ended('handled')
    expect(JSON.stringify(spans.finished().map((span) => span.attributes))).not.toContain('order-1')
  })

  test.each([
    [undefined, ['messaging.kafka.message.key', 'messaging.kafka.offset']],
    ['http', ['messaging.kafka.message.key', 'messaging.kafka.offset']],
    ['http, messaging', ['kafka.message.key', 'kafka.offset']],
    [
      'messaging,messaging/dup',
      ['kafka.message.key', 'kafka.offset', 'messaging.kafka.message.key', 'messaging.kafka.offset'],
    ],
  ])('OTEL_SEMCONV_STABILITY_OPT_IN=%s chooses the attribute names', (optIn, expected) => {
    openTelemetry({ semconv: semconvFrom(optIn) })
      .sending(SEND, [])
      .succeeded(0, 1n)
    const kafka = Object.keys(spans.named('send orders').attributes).filter((name) => name.includes('kafka.'))
    expect(kafka.toSorted()).toEqual(expected)
  })

  test('an offset that a double cannot hold is left out, since it would name another record', () => {
    openTelemetry()
      .sending(SEND, [])
      .succeeded(0, 2n ** 53n + 1n)
    expect(spans.named('send orders').attributes).not.toHaveProperty('messaging.kafka.offset')
  })
})

describe('without an SDK', () => {
  test('makes no headers of its own', () => {
    const telemetry = openTelemetry()
    expect(telemetry.sending(SEND, []).headers).toEqual([])
    expect(telemetry.processing({ record: inbound(), groupId: 'g' }).headers).toEqual([])
  })

  test('hands a record’s context on to what its handler sends, over awaits, so that this service does not cut the trace', async () => {
    const telemetry = openTelemetry()
    const record = inbound({ headers: [TRACEPARENT, TRACESTATE] })
    const sent = await telemetry.processing({ record, groupId: 'g' }).run(async () => {
      await Promise.resolve()
      return telemetry.sending(SEND, []).headers
    })
    expect(sent).toEqual([TRACEPARENT, TRACESTATE])
    expect(telemetry.sending(SEND, []).headers).toEqual([])
  })

  test('hands a record’s context on to what its handler leaves in an outbox, unless the message has one of its own', () => {
    const telemetry = openTelemetry()
    const own = textHeader('traceparent', `00-${TRACE_ID}-aaaaaaaaaaaaaaaa-01`)
    const record = inbound({ headers: [TRACEPARENT, TRACESTATE] })
    const created = telemetry
      .processing({ record, groupId: 'g' })
      .run(() => [[], [own]].map((headers) => telemetry.creating(SEND, headers).headers))
    expect(created).toEqual([[TRACEPARENT, TRACESTATE], []])
    expect(telemetry.creating(SEND, []).headers).toEqual([])
  })

  test('keeps the contexts of records that are handled side by side apart', async () => {
    const telemetry = openTelemetry()
    const other = textHeader('traceparent', `00-${TRACE_ID}-aaaaaaaaaaaaaaaa-01`)
    const sendLater = async (headers: readonly Header[]): Promise<readonly Header[]> =>
      telemetry.processing({ record: inbound({ headers }), groupId: 'g' }).run(async () => {
        await Promise.resolve()
        return telemetry.sending(SEND, []).headers
      })
    expect(await Promise.all([sendLater([TRACEPARENT]), sendLater([]), sendLater([other])])).toEqual([
      [TRACEPARENT],
      [],
      [other],
    ])
  })

  test('a record without a context that is handled inside another one’s handler does not inherit it', () => {
    const telemetry = openTelemetry()
    const inner = telemetry
      .processing({ record: inbound({ headers: [TRACEPARENT] }), groupId: 'g' })
      .run(() =>
        telemetry.processing({ record: inbound(), groupId: 'g' }).run(() => telemetry.sending(SEND, []).headers),
      )
    expect(inner).toEqual([])
  })

  test('hands nothing malformed on, and doubles nothing that the caller gave', () => {
    const telemetry = openTelemetry()
    const malformed = inbound({ headers: [textHeader('traceparent', 'nonsense'), TRACESTATE] })
    expect(
      telemetry.processing({ record: malformed, groupId: 'g' }).run(() => telemetry.sending(SEND, []).headers),
    ).toEqual([])
    const own = telemetry
      .processing({ record: inbound({ headers: [TRACEPARENT, TRACESTATE] }), groupId: 'g' })
      .run(() => [
        telemetry.sending(SEND, [textHeader('traceparent', 'the caller’s')]).headers,
        telemetry.sending(SEND, [textHeader('tracestate', 'the=callers')]).headers,
      ])
    expect(own).toEqual([[], [TRACEPARENT]])
  })

  test('an SDK that is registered later is used from then on', () => {
    const telemetry = openTelemetry()
    telemetry.sending(SEND, []).succeeded(0, 0n)
    const spans = registerSdk()
    telemetry.sending(SEND, []).succeeded(0, 0n)
    expect(spans.finished()).toHaveLength(1)
  })
})

test('an SDK that takes the place of another is used from then on', () => {
  const telemetry = openTelemetry()
  const record = inbound()
  const first = registerSdk()
  telemetry.processing({ record, groupId: 'g' }).ended('handled')
  unregisterSdk()
  telemetry.processing({ record, groupId: 'g' }).ended('handled')
  const second = registerSdk()
  telemetry.processing({ record, groupId: 'g' }).ended('handled')
  expect([first.finished().length, second.finished().length]).toEqual([1, 1])
})

describe('with telemetry that fails', () => {
  const broken = (): never => {
    throw new Error('broken')
  }

  test.each([
    ['a tracer provider', { tracerProvider: { getTracer: broken } }],
    ['a tracer', { tracerProvider: { getTracer: () => ({ startSpan: broken, startActiveSpan: broken }) } }],
    ['a propagator', { propagator: { inject: broken, extract: broken, fields: () => ['x'] } }],
    ['the list of a propagator’s fields', { propagator: { inject: broken, extract: broken, fields: broken } }],
  ])('%s that throws harms no record', (_, options) => {
    const telemetry = openTelemetry(options)
    const sending = telemetry.sending(SEND, [TRACEPARENT])
    sending.succeeded(0, 0n)
    sending.failed('Error')
    expect(sending.headers).toEqual([])
    const processing = telemetry.processing({ record: inbound(), groupId: 'g' })
    expect(processing.run(() => 'handled')).toBe('handled')
    processing.attemptFailed(1, 'Error')
    processing.ended('handled')
  })

  test('a context manager that throws before, after, calls twice, or does not call at all: the handler runs exactly once', () => {
    const managers: ReadonlyArray<(call: () => unknown) => unknown> = [
      broken,
      (call) => {
        call()
        return broken()
      },
      (call) => {
        call()
        return call()
      },
      () => undefined,
    ]
    for (const misbehave of managers) {
      registerSdk()
      context.disable()
      context.setGlobalContextManager({
        active: () => ROOT_CONTEXT,
        with: ((_: unknown, call: () => unknown) => misbehave(call)) as never,
        bind: (_, target) => target,
        enable: () => context as never,
        disable: () => context as never,
      })
      let calls = 0
      const processing = openTelemetry().processing({ record: inbound(), groupId: 'g' })
      expect(processing.run(() => ++calls)).toBe(1)
      processing.ended('handled')
      expect(calls).toBe(1)
      unregisterSdk()
    }
  })

  test('a propagator that cannot write costs a parked record its context, and no span', () => {
    const spans = registerSdk()
    const w3c = new core.W3CTraceContextPropagator()
    const propagator: TextMapPropagator = {
      fields: () => w3c.fields(),
      extract: (...args) => w3c.extract(...args),
      inject: broken,
    }
    const processing = openTelemetry({ propagator }).processing({ record: inbound(), groupId: 'g' })
    expect(processing.headers).toEqual([])
    processing.ended('parked', 'Error')
    expect(spans.finished()).toHaveLength(1)
  })

  test('what the handler throws is thrown on as it is, so that the retry sees it', () => {
    registerSdk()
    const thrown = { not: 'an error' }
    const processing = openTelemetry().processing({ record: inbound(), groupId: 'g' })
    expect(() =>
      processing.run(() => {
        throw thrown
      }),
    ).toThrow(expect.toSatisfy((each) => each === thrown))
  })

  test('a diagnostics logger that throws harms no record either', () => {
    diag.setLogger(
      { error: broken, warn: broken, info: broken, debug: broken, verbose: broken },
      { suppressOverrideMessage: true },
    )
    try {
      const telemetry = openTelemetry({ tracerProvider: { getTracer: broken } })
      expect(telemetry.sending(SEND, []).headers).toEqual([])
    } finally {
      diag.disable()
    }
  })
})
