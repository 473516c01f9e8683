/**
 * Which names Kafka's own span attributes have: OpenTelemetry moved `messaging.kafka.*` (`old`) to `kafka.*` (`new`) in version
 * 1.45 of its semantic conventions; `both` writes each twice, for the time in which dashboards move.
 */
export type Semconv = 'old' | 'new' | 'both'

/**
 * Reads the value of `OTEL_SEMCONV_STABILITY_OPT_IN`, the variable that OpenTelemetry defines for this choice. Holdfast reads no
 * environment by itself: `openTelemetry({ semconv: semconvFrom(process.env.OTEL_SEMCONV_STABILITY_OPT_IN) })`.
 *
 * @param optIn - a list with commas. `messaging` is `new`, `messaging/dup` is `both` and wins over `messaging`, as OpenTelemetry
 * says it shall; anything else, other areas' values included, is `old`.
 */
export function semconvFrom(optIn: string | undefined): Semconv {
  const chosen = new Set((optIn ?? '').split(',').map((each) => each.trim()))
  if (chosen.has('messaging/dup')) return 'both'
  return chosen.has('messaging') ? 'new' : 'old'
}
