/** A row in which inventory has written down what it decided. */
export interface Reservation {
  readonly orderId: string
  readonly customerId: string
  readonly items: ReadonlyArray<{ readonly sku: string; readonly quantity: number }>
  readonly state: 'reserved' | 'short' | 'returned'
  readonly missing: string | null
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
 *
 * @param prices - of the articles, in cents
 */
export function untold(
  reservations: readonly Reservation[],
  payments: readonly Payment[],
  events: readonly Told[],
  prices: Readonly<Record<string, number>>,
): readonly string[] {
  const expected = new Map([
    ...reservations.flatMap((reservation) => eventsOfReservation(reservation, prices)),
    ...payments.flatMap(eventsOfPayment),
  ])
  const told = new Set(events.map(nameOf))
  return [
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

function eventsOfReservation(
  { orderId, customerId, items, state, missing }: Reservation,
  prices: Readonly<Record<string, number>>,
): readonly Expected[] {
  const inventory = (verdict: Reservation['state'], facts: object): Expected => [
    `inventory-events ${orderId}/inventory.${verdict}`,
    { type: `inventory.${verdict}`, orderId, ...facts },
  ]
  if (state === 'short') {
    const cancelled = { type: 'order.cancelled', orderId, customerId, reason: 'out-of-stock' }
    return [inventory(state, { sku: missing }), [`order-events ${orderId}/order.cancelled`, cancelled]]
  }
  const totalCents = items.reduce((sum, { sku, quantity }) => sum + quantity * prices[sku]!, 0)
  const reserved = inventory('reserved', { customerId, totalCents })
  return state === 'reserved' ? [reserved] : [reserved, inventory(state, {})]
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
