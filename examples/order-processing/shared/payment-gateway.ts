import { setTimeout as sleep } from 'node:timers/promises'
import { decided } from './simulated-world.ts'

/** Somebody who takes money, over a network that sometimes fails. */
export interface PaymentGateway {
  /**
   * @param attempt - which try this is; the first ones of some orders fail
   * @throws GatewayUnavailable when it cannot be reached: try again
   */
  charge(orderId: string, amountCents: number, attempt: number, signal: AbortSignal): Promise<'completed' | 'declined'>
}

/** The gateway did not answer; the same call may succeed later. */
export class GatewayUnavailable extends Error {
  override readonly name: string = 'GatewayUnavailable'
}

/** What the gateway does with one order. */
export interface GatewayBehaviour {
  /** So many first tries fail; fewer than the service makes, so that it is flaky and not down. */
  readonly failingAttempts: 0 | 1 | 2
  readonly declines: boolean
  readonly delayMs: number
}

/** One in eight orders meets a failing gateway, one in twelve is declined, one in fifteen waits. */
export function gatewayBehaviour(seed: number, orderId: string): GatewayBehaviour {
  const flakiness = decided(seed, 'gateway-fails', orderId)
  return {
    failingAttempts: flakiness < 1 / 24 ? 2 : flakiness < 1 / 8 ? 1 : 0,
    declines: decided(seed, 'gateway-declines', orderId) < 1 / 12,
    delayMs: decided(seed, 'gateway-is-slow', orderId) < 1 / 15 ? 250 : 2,
  }
}

/** A gateway that behaves the same way for the same seed. It knows no idempotency keys: a repeated charge is a second charge. */
export function simulatedGateway(seed: number): PaymentGateway {
  return {
    async charge(orderId, _amountCents, attempt, signal) {
      const { failingAttempts, declines, delayMs } = gatewayBehaviour(seed, orderId)
      await sleep(delayMs, undefined, { signal })
      if (attempt <= failingAttempts) throw new GatewayUnavailable('the payment gateway did not answer')
      return declines ? 'declined' : 'completed'
    },
  }
}
