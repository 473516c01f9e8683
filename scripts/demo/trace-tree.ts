import { groupBy } from './group-by.ts'

/** A span as the example's `shared/tracing.ts` writes it. */
export interface RecordedSpan {
  readonly service: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly startMs: number
  readonly durationMs: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes?: Readonly<Record<string, unknown>> }>
}

/** Reads spans, one JSON object a line; a line that a killed process left unfinished is passed over. */
export function readSpans(text: string): readonly RecordedSpan[] {
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as RecordedSpan]
    } catch {
      return []
    }
  })
}

/** Of the given orders the one whose trace has the most to tell: the most failed attempts, then the most services. */
export function tellingTrace(spans: readonly RecordedSpan[], orderIds: readonly string[]): string | undefined {
  const wanted = new Set(orderIds.map((orderId) => `${orderId}/order.created`))
  const traces = groupBy(spans, (span) => span.traceId)
  const roots = spans.filter(
    (span) => span.parentSpanId === undefined && wanted.has(String(span.attributes['messaging.message.id'])),
  )
  const score = ({ traceId }: RecordedSpan): number => {
    const trace = traces.get(traceId)!
    return 100 * trace.flatMap((span) => span.events).length + new Set(trace.map((span) => span.service)).size
  }
  return roots.toSorted((a, b) => score(b) - score(a))[0]?.traceId
}

/** One trace as a tree: who did what, when after the beginning, and for how long. */
export function drawTrace(spans: readonly RecordedSpan[], traceId: string): readonly string[] {
  const trace = spans.filter((span) => span.traceId === traceId).toSorted((a, b) => a.startMs - b.startMs)
  const known = new Set(trace.map((span) => span.spanId))
  const children = groupBy(trace, ({ parentSpanId }) =>
    parentSpanId !== undefined && known.has(parentSpanId) ? parentSpanId : undefined,
  )
  const rows: Array<{ readonly label: string; readonly span: RecordedSpan }> = []
  const visit = (span: RecordedSpan, own: string, below: string): void => {
    rows.push({ label: `${own}${span.service}: ${describe(span)}`, span })
    const next = children.get(span.spanId) ?? []
    next.forEach((child, i) => {
      const isLast = i === next.length - 1
      visit(child, `${below}${isLast ? '└─ ' : '├─ '}`, `${below}${isLast ? '   ' : '│  '}`)
    })
  }
  for (const root of children.get(undefined) ?? []) visit(root, '', '')

  const begun = trace[0]?.startMs ?? 0
  const width = Math.max(0, ...rows.map(({ label }) => label.length))
  return rows.map(({ label, span }) => {
    const at = `+${(span.startMs - begun).toFixed(0)} ms`.padStart(9)
    return `${label.padEnd(width)} ${at} ${`${span.durationMs.toFixed(1)} ms`.padStart(10)}${failures(span)}`
  })
}

function describe({ name, attributes }: RecordedSpan): string {
  const id = attributes['messaging.message.id']
  const type = typeof id === 'string' ? id.split('/')[1] : undefined
  return type === undefined ? name : `${name} (${type})`
}

function failures({ events, attributes }: RecordedSpan): string {
  const failed = events.map((event) => `attempt ${String(event.attributes?.['holdfast.attempt'])} failed`)
  const outcome = attributes['holdfast.outcome']
  const ended = typeof outcome === 'string' && outcome !== 'handled' ? [outcome] : []
  const told = [...failed, ...ended]
  return told.length === 0 ? '' : `  ${told.join(', ')}`
}
