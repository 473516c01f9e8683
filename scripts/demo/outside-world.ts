import { groupBy } from './group-by.ts'
import type { Payment } from './told.ts'

/** Money that was taken, or refused, by the books of the payment gateway. */
export interface Charge {
  readonly orderId: string
  readonly amountCents: number
  readonly verdict: 'completed' | 'declined'
}

/** A mail, or the note of one. */
export interface Mail {
  readonly orderId: string
  readonly about: string
}

/** Something that came to somebody more than once. */
export interface Twice {
  readonly service: string
  readonly what: string
}

/** What the gateway and the mail server did more than once for an order: by their own books, whatever the services say. */
export function doneTwiceOutside(charges: readonly Charge[], mails: readonly Mail[]): readonly Twice[] {
  const charged = [...groupBy(charges, ({ orderId }) => orderId)].map(([orderId, { length }]) => {
    return { service: 'payment', what: `${orderId} was charged ${length} times at the gateway`, length }
  })
  const mailed = [...groupBy(mails, nameOf)].map(([name, { length }]) => {
    return { service: 'notification', what: `${name} was mailed ${length} times`, length }
  })
  return [...charged, ...mailed].filter(({ length }) => length > 1).map(({ service, what }) => ({ service, what }))
}

/** Where the services' rows and the books of the gateway and the mail server differ. */
export function misbookedOutside(
  charges: readonly Charge[],
  payments: readonly Payment[],
  mails: readonly Mail[],
  notified: readonly Mail[],
): readonly string[] {
  const charged = new Map(charges.map((charge) => [charge.orderId, charge]))
  const paid = new Set(payments.map(({ orderId }) => orderId))
  const mailed = new Set(mails.map(nameOf))
  const noted = new Set(notified.map(nameOf))
  return [
    ...payments.flatMap(({ orderId, amountCents, state }) => {
      const charge = charged.get(orderId)
      if (charge === undefined) return [`${orderId} is ${state}, and the gateway knows nothing of it`]
      const isSame = charge.verdict === state && charge.amountCents === amountCents
      return isSame
        ? []
        : [`${orderId}: the row says ${state}, ${amountCents}; the gateway ${charge.verdict}, ${charge.amountCents}`]
    }),
    ...[...charged.keys()].filter((each) => !paid.has(each)).map((each) => `${each} was charged, and no row says so`),
    ...[...mailed].filter((each) => !noted.has(each)).map((each) => `${each} was mailed, and no row says so`),
    ...[...noted].filter((each) => !mailed.has(each)).map((each) => `${each} is noted, and was not mailed`),
  ]
}

function nameOf({ orderId, about }: Mail): string {
  return `${orderId}/${about}`
}
