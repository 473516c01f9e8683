/** A row in which inventory has written down what it decided. */
export interface Decision {
  readonly seq: number
  readonly orderId: string
  readonly customerId: string
  readonly verdict: 'reserved' | 'short' | 'returned'
  readonly totalCents: number | null
  readonly missing: string | null
  readonly announced: boolean
  /** The state of the order's reservation; null when there is none. */
  readonly reservation: string | null
}

/** A row of a payment. */
export interface Payment {
  readonly orderId: string
  readonly amountCents: number
  readonly state: 'pending' | 'completed' | 'declined'
}

/** An event as it stands on its topic. */
interface Told {
  readonly topic: string
  readonly eventId: string
  readonly type: string
  readonly value: Readonly<Record<string, unknown>>
}

/**
 * What was told against what the rows say: for each row its events, and no event of which no row says the same, however often it was sent.
 * What the events must be is written down here apart from the services' code on purpose.
 */
export function untold(
  decisions: readonly Decision[],
  payments: readonly Payment[],
  events: readonly Told[],
): readonly string[] {
  const expected = new Map([...decisions.flatMap(eventsOfDecision), ...payments.flatMap(eventsOfPayment)])
  const told = new Set(events.map(nameOf))
  const last = new Map(decisions.toSorted((a, b) => a.seq - b.seq).map((each) => [each.orderId, each]))
  return [
    ...decisions
      .filter(({ announced }) => !announced)
      .map(({ orderId, verdict }) => `${orderId} is ${verdict}, and that is not announced`),
    ...[...last.values()]
      .filter(({ reservation, verdict }) => reservation !== verdict)
      .map(({ orderId, reservation, verdict }) => `${orderId} is ${verdict}, and its reservation ${reservation}`),
    ...payments
      .filter(({ state }) => state === 'pending')
      .map(({ orderId }) => `${orderId}: its payment has come to no end`),
    ...[...expected.keys()]
      .filter((name) => !told.has(name))
      .map((name) => `${name} follows from a row, and was not told`),
    ...events.filter(isTold).flatMap((event) => {
      const row = expected.get(nameOf(event))
      if (row === undefined) return [`${nameOf(event)} was told, and no row says so`]
      const differs = Object.entries(row).filter(([field, value]) => event.value[field] !== value)
      return differs.map(([field]) => `${nameOf(event)} says other than its row: ${field}`)
    }),
  ]
}

type Expected = readonly [name: string, value: Readonly<Record<string, unknown>>]

function eventsOfDecision({ orderId, customerId, verdict, totalCents, missing }: Decision): readonly Expected[] {
  const inventory = (facts: object): Expected => [
    `inventory-events ${orderId}/inventory.${verdict}`,
    { type: `inventory.${verdict}`, orderId, ...facts },
  ]
  if (verdict === 'reserved') return [inventory({ customerId, totalCents })]
  if (verdict === 'returned') return [inventory({})]
  const cancelled = { type: 'order.cancelled', orderId, customerId, reason: 'out-of-stock' }
  return [inventory({ sku: missing }), [`order-events ${orderId}/order.cancelled`, cancelled]]
}

function eventsOfPayment({ orderId, amountCents, state }: Payment): readonly Expected[] {
  if (state === 'pending') return []
  const type = `payment.${state}`
  return [[`payment-events ${orderId}/${type}`, { type, orderId, amountCents }]]
}

/** Is it an event that inventory or payment tells? */
function isTold({ topic, type, value }: Told): boolean {
  if (topic === 'order-events') return type === 'order.cancelled' && value['reason'] === 'out-of-stock'
  return topic === 'inventory-events' || topic === 'payment-events'
}

function nameOf({ topic, eventId }: Told): string {
  return `${topic} ${eventId}`
}
