import type {
  Context,
  Link,
  MeterProvider,
  Span,
  SpanOptions,
  TextMapPropagator,
  Tracer,
  TracerProvider,
} from '@opentelemetry/api'
import { context, diag, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Header, Headers } from '../../record/index.ts'
import type {
  CreateObservation,
  ProcessDescription,
  ProcessObservation,
  SendDescription,
  SendObservation,
  Telemetry,
} from '../telemetry.ts'
import { keepsItsPromises } from '../safe-telemetry.ts'
import { nothingCreated, nothingProcessed, nothingSent } from '../telemetry.ts'
import { measureRelay } from './relay-metrics.ts'
import { spanAttributes } from './attributes.ts'
import type { HeadersToAdd } from './carrier.ts'
import { headersGetter, headersSetter } from './carrier.ts'
import { createPassthrough } from './passthrough.ts'
import type { Semconv } from './semconv.ts'

/** How spans look and hang together. */
export interface OpenTelemetryOptions {
  /**
   * The names of Kafka's own attributes: see {@link Semconv}.
   *
   * @defaultValue `'old'`, what the kafkajs instrumentation writes
   */
  readonly semconv?: Semconv
  /**
   * How the span of a record being processed hangs on the span that sent it: `parent` makes it a child, so that one trace tells
   * the whole story; `link` begins a new trace that points back, for fan-outs whose traces would grow without end.
   *
   * @defaultValue `'parent'`
   */
  readonly producerAs?: 'parent' | 'link'
  /**
   * Whether spans carry the key, when it is text of up to 1,024 characters. Turn it off where keys are personal data.
   *
   * @defaultValue `true`, as the conventions recommend
   */
  readonly messageKeys?: boolean
  /** Makes the spans. @defaultValue the one registered with OpenTelemetry's API when a span begins; without one there are none */
  readonly tracerProvider?: TracerProvider
  /** Measures outboxes and relays. @defaultValue the one registered with OpenTelemetry's API when a relay starts; without one nothing is measured */
  readonly meterProvider?: MeterProvider
  /** Reads and writes the context in headers. @defaultValue the one registered with OpenTelemetry's API */
  readonly propagator?: TextMapPropagator
}

/**
 * Watches through OpenTelemetry's API: `send <topic>`, `create <topic>` (what an outbox keeps) and `process <topic>` spans, and the W3C context in the headers.
 *
 * Needs no SDK. Without one no spans are made, and the `traceparent` and `tracestate` of a record are still handed on to what its
 * handler sends, as they came. An SDK may be registered at any time, before or after this call.
 *
 * A trace context that the caller puts into a message's headers is kept, and is the parent of the send's span. What a span was
 * still open for when the process died is lost with it; nothing here ever throws, or keeps a record from being sent or handled.
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  const attributes = spanAttributes(options.semconv ?? 'old', options.messageKeys ?? true)
  const asParent = (options.producerAs ?? 'parent') === 'parent'
  const passthrough = createPassthrough()

  let known: { readonly provider: TracerProvider; readonly tracer: Tracer } | null = null
  const registeredTracer = (): Tracer | undefined => {
    const provider = options.tracerProvider ?? trace.getTracerProvider()
    if (known?.provider === provider) return known.tracer // looked up once for each SDK, not for each record
    const tracer = tracerOf(provider)
    if (tracer !== undefined) known = { provider, tracer }
    return tracer
  }
  const tracerOf = (provider: TracerProvider): Tracer | undefined => {
    // The API's stand-in makes empty spans; asked for its delegate, it says that nothing is registered. By shape, not by class: a
    // second copy of the API has a class of its own.
    if (!('getDelegateTracer' in provider)) return provider.getTracer('holdfast')
    return (provider as { getDelegateTracer(name: string): Tracer | undefined }).getDelegateTracer('holdfast')
  }
  const propagator = options.propagator ?? propagation
  const propagates = (): boolean => propagator.fields().length > 0

  const inject = (from: Context, present: Headers): readonly Header[] => {
    const carrier: HeadersToAdd = { present, added: [] }
    propagator.inject(from, carrier, headersSetter)
    return carrier.added
  }

  const observeSend = (description: SendDescription, headers: Headers): SendObservation => {
    const tracer = registeredTracer()
    if (!propagates() && tracer === undefined) return passthrough.sending(headers)
    const ambient = context.active()
    const own = headers.length === 0 ? ambient : propagator.extract(ROOT_CONTEXT, headers, headersGetter)
    const given = headers.length > 0 && namesSpan(own)
    if (tracer === undefined) return { ...nothingSent, headers: given ? [] : inject(ambient, headers) }
    const span = tracer.startSpan(
      `send ${description.topic}`,
      { kind: given ? SpanKind.CLIENT : SpanKind.PRODUCER, attributes: attributes.sent(description, 'send') },
      given ? own : ambient,
    )
    return {
      headers: given ? [] : inject(trace.setSpan(ambient, span), headers),
      succeeded(partition, offset) {
        guarded(() => {
          span.setAttributes(attributes.acknowledged(partition, offset))
          span.end()
        })
      },
      failed: (errorType) => guarded(() => endFailed(span, errorType)),
    }
  }

  const observeCreate = (description: SendDescription, headers: Headers): CreateObservation => {
    const tracer = registeredTracer()
    if (!propagates() && tracer === undefined) return passthrough.creating(headers)
    const ambient = context.active()
    const own = propagator.extract(ROOT_CONTEXT, headers, headersGetter)
    const given = namesSpan(own)
    if (tracer === undefined) return { ...nothingCreated, headers: given ? [] : inject(ambient, headers) }
    const spanOptions = { kind: SpanKind.PRODUCER, attributes: attributes.sent(description, 'create') }
    const span = tracer.startSpan(`create ${description.topic}`, spanOptions, given ? own : ambient)
    return {
      headers: given ? [] : inject(trace.setSpan(ambient, span), headers),
      succeeded: () => guarded(() => span.end()),
      failed: (errorType) => guarded(() => endFailed(span, errorType)),
    }
  }

  const observeProcessing = (description: ProcessDescription): ProcessObservation => {
    const { record } = description
    const tracer = registeredTracer()
    if (tracer === undefined && !propagates()) return passthrough.processing(record.headers)
    // From the root, not from what happens to be current: a consumer started inside a span would else hang all its work on it.
    const carried = propagator.extract(ROOT_CONTEXT, record.headers, headersGetter)
    if (tracer === undefined) return new Processing(undefined, carried, null)
    const spanOptions: SpanOptions = { kind: SpanKind.CONSUMER, attributes: attributes.processed(description) }
    const links = linksTo(asParent ? ROOT_CONTEXT : carried, context.active())
    if (links.length > 0) spanOptions.links = links
    const span = tracer.startSpan(`process ${record.topic}`, spanOptions, asParent ? carried : ROOT_CONTEXT)
    const current = trace.setSpan(carried, span)
    // A record with a context of its own takes it along byte for byte wherever it is put; a second one would contradict it.
    return new Processing(span, current, namesSpan(carried) ? null : () => inject(current, record.headers))
  }

  return keepsItsPromises({
    relaying: (read) => guarded(() => measureRelay(read, options.meterProvider)) ?? nothing,
    sending: (description, headers) => guarded(() => observeSend(description, headers)) ?? nothingSent,
    creating: (description, headers) => guarded(() => observeCreate(description, headers)) ?? nothingCreated,
    processing(description) {
      try {
        return observeProcessing(description)
      } catch (error) {
        reportFailure(error)
        return nothingProcessed
      }
    },
  })
}

function endFailed(span: Span, errorType: string): void {
  span.setAttribute('error.type', errorType)
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

function nothing(): void {}

/** Malformed contexts name none. */
function namesSpan(carried: Context): boolean {
  if (carried === ROOT_CONTEXT) return false
  const span = trace.getSpanContext(carried)
  return span !== undefined && trace.isSpanContextValid(span)
}

function linksTo(...contexts: readonly Context[]): Link[] {
  const links: Link[] = []
  for (const each of contexts) {
    if (namesSpan(each)) links.push({ context: trace.getSpanContext(each)! })
  }
  return links
}

/** A class, since there is one for each record. */
class Processing implements ProcessObservation {
  readonly #span: Span | undefined
  readonly #current: Context
  readonly #inject: (() => readonly Header[]) | null

  constructor(span: Span | undefined, current: Context, inject: (() => readonly Header[]) | null) {
    this.#span = span
    this.#current = current
    this.#inject = inject
  }

  /** Made when they are asked for: only parked records need them. */
  get headers(): readonly Header[] {
    return (this.#inject !== null ? guarded(this.#inject) : undefined) ?? []
  }

  /** Calls exactly once, whatever the registered context manager does; what the call throws is the caller's. */
  run<T>(call: () => T): T {
    let begun = false
    let failed = false
    let end: unknown
    const once = (): void => {
      if (begun) return
      begun = true
      try {
        end = call()
      } catch (thrown) {
        failed = true
        end = thrown
      }
    }
    try {
      context.with(this.#current, once)
    } catch (error) {
      reportFailure(error)
    }
    once()
    if (failed) throw end
    return end as T
  }

  attemptFailed(attempt: number, errorType: string): void {
    guarded(() =>
      this.#span?.addEvent('holdfast.attempt_failed', { 'holdfast.attempt': attempt, 'error.type': errorType }),
    )
  }

  ended(outcome: string, errorType?: string): void {
    const span = this.#span
    if (span === undefined) return
    try {
      span.setAttribute('holdfast.outcome', outcome)
      if (errorType !== undefined) {
        span.setAttribute('error.type', errorType)
        span.setStatus({ code: SpanStatusCode.ERROR })
      }
      span.end()
    } catch (error) {
      reportFailure(error)
    }
  }
}

/** A sampler, span processor or propagator of the user's may throw; a record must not pay for it. */
function guarded<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    reportFailure(error)
    return undefined
  }
}

function reportFailure(error: unknown): void {
  try {
    diag.error('holdfast: telemetry failed; the record is not affected', error)
  } catch {
    // The diagnostics logger is the user's too.
  }
}
