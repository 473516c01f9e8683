/** Which events a service must have worked on: the audit's own list, written down apart from the services' code on purpose. */
export interface Duty {
  readonly service: string
  readonly topic: string
  readonly types: readonly string[]
}

const ORDER_MOVES = ['order.confirmed', 'order.shipped', 'order.delivered', 'order.cancelled']

/** What each service of the order-processing example owes. */
export const DUTIES: readonly Duty[] = [
  { service: 'order-api', topic: 'order-events', types: ['order.created', ...ORDER_MOVES] },
  { service: 'order-api', topic: 'notification-events', types: ['notification.sent'] },
  { service: 'inventory', topic: 'order-events', types: ['order.created'] },
  { service: 'inventory', topic: 'payment-events', types: ['payment.declined'] },
  { service: 'payment', topic: 'inventory-events', types: ['inventory.reserved'] },
  { service: 'fulfilment', topic: 'payment-events', types: ['payment.completed', 'payment.declined'] },
  { service: 'fulfilment', topic: 'order-events', types: ['order.confirmed', 'order.shipped'] },
  { service: 'notification', topic: 'order-events', types: ORDER_MOVES },
  { service: 'analytics', topic: 'order-events', types: ['order.created', ...ORDER_MOVES] },
  { service: 'points', topic: 'payment-events', types: ['payment.completed'] },
]

/** The service that reads what was parked. */
export const MONITOR = 'dead-letter-monitor'

/** How many records one process of a service may have in handlers at a time: as the services say, of those to which something is done. */
export const MOST_IN_HANDLERS = { 'order-api': 4, inventory: 4, payment: 8, analytics: 300 } as const

/** Sends rows of the outbox beside the relays in the services, and reads no topic. */
export const RELAY = 'outbox-relay'

/** The services that handle a record once or not at all. */
export const AT_MOST_ONCE: ReadonlySet<string> = new Set(['analytics'])

/** The services that mark what they have handled in the transaction of their work. */
export const WITH_INBOX: ReadonlySet<string> = new Set(['order-api', 'inventory', 'points'])

/** The topics of the example, without their dead letter topics. */
export const TOPICS: readonly string[] = ['order-events', 'payment-events', 'inventory-events', 'notification-events']

/** Every service with the topics it reads: its consumer group has its name. */
export const SERVICES: ReadonlyMap<string, readonly string[]> = new Map([
  ...[...new Set(DUTIES.map((duty) => duty.service))].map(
    (service) => [service, DUTIES.filter((duty) => duty.service === service).map((duty) => duty.topic)] as const,
  ),
  [MONITOR, TOPICS.map((topic) => `${topic}.dlq`)] as const,
])
