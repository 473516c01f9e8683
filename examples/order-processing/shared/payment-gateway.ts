import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { decided } from './simulated-world.ts'

/** What a gateway says to a charge. */
export type Verdict = 'completed' | 'declined'

/** A charge that is asked for. */
export interface Charge {
  /** Names this charge for ever: asked for again with the same key, the gateway charges nothing and repeats its first answer. */
  readonly idempotencyKey: string
  readonly orderId: string
  readonly amountCents: number
}

/** Somebody who takes money, over a network that sometimes fails. */
export interface PaymentGateway {
  /**
   * @param attempt - which try this is; the first ones of some orders fail
   * @throws GatewayUnavailable when no answer came. The money may be taken or not: try again, with the same key.
   */
  charge(charge: Charge, attempt: number, signal: AbortSignal): Promise<Verdict>
}

/** The gateway did not answer; the same call may succeed later. */
export class GatewayUnavailable extends Error {
  override readonly name: string = 'GatewayUnavailable'
}

/** What the gateway does with one order. */
export interface GatewayBehaviour {
  /** So many first tries fail; fewer than the service makes, so that it is flaky and not down. */
  readonly failingAttempts: 0 | 1 | 2
  /** Where tries fail: is it the answer that is lost, when the money is taken already? */
  readonly losesAnswers: boolean
  readonly declines: boolean
  /** How long its answer is on the way. */
  readonly delayMs: number
}

/** One in eight orders meets a failing gateway, half of these after it has charged; one in twelve is declined, one in fifteen waits. */
export function gatewayBehaviour(seed: number, orderId: string): GatewayBehaviour {
  const flakiness = decided(seed, 'gateway-fails', orderId)
  return {
    failingAttempts: flakiness < 1 / 24 ? 2 : flakiness < 1 / 8 ? 1 : 0,
    losesAnswers: decided(seed, 'gateway-loses-answers', orderId) < 1 / 2,
    declines: decided(seed, 'gateway-declines', orderId) < 1 / 12,
    delayMs: decided(seed, 'gateway-is-slow', orderId) < 1 / 15 ? 250 : 2,
  }
}

/**
 * A gateway that behaves the same way for the same seed, and remembers idempotency keys in books of its own: these stand for the gateway's
 * own database, which no crash of a service reaches.
 *
 * @param books - commits each statement by itself: no transaction of a service's may take a charge back
 */
export function simulatedGateway(seed: number, books: Pick<Pool, 'query'>): PaymentGateway {
  return {
    async charge({ idempotencyKey, orderId, amountCents }, attempt, signal) {
      const { failingAttempts, losesAnswers, declines, delayMs } = gatewayBehaviour(seed, orderId)
      const fails = attempt <= failingAttempts
      if (fails && !losesAnswers) {
        await sleep(delayMs, undefined, { signal })
        throw new GatewayUnavailable('the payment gateway could not be reached')
      }
      const charged = await books.query<{ verdict: Verdict }>(
        `insert into gateway_charges (idempotency_key, order_id, amount_cents, verdict) values ($1, $2, $3, $4)
         on conflict (idempotency_key) do update set asked = gateway_charges.asked + 1 returning verdict`,
        [idempotencyKey, orderId, amountCents, declines ? 'declined' : 'completed'],
      )
      await sleep(delayMs, undefined, { signal })
      if (fails) throw new GatewayUnavailable('the payment gateway did not answer')
      return charged.rows[0]!.verdict
    },
  }
}
