export { killPayment } from './kill-payment.ts'
export { SCALED, scaleNotification } from './scale-notification.ts'
export { stopInventory } from './stop-inventory.ts'
export type { Scene, Trouble } from './trouble.ts'
