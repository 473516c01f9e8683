// What the services have agreed on. They share these files and nothing else of each other.
export { eventId } from './event-id.ts'
export { inventoryEvents } from './inventory-events.ts'
export { notificationEvents } from './notification-events.ts'
export { Item, orderEvents } from './order-events.ts'
export { paymentEvents } from './payment-events.ts'
