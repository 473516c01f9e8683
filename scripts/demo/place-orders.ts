import type { Producer } from 'kafkajs'
import type { Place } from './audit.ts'
import { sendPill } from './cluster.ts'
import type { OrderPlan } from './order-plan.ts'
import type { Pace } from './pace.ts'
import { pause } from './stopping.ts'

/** Orders being placed. */
export interface Placing {
  /** Orders the API has answered for, well or badly. */
  readonly placed: number
  readonly accepted: readonly string[]
  readonly pills: readonly Place[]
  readonly done: boolean
  readonly finished: Promise<{ readonly problems: readonly string[] }>
}

const SIDE_BY_SIDE = 6

/** Places the orders at their pace, a few at a time, with the pills and the invalid requests in between. */
export function placeOrders(
  plan: OrderPlan,
  pace: Pace,
  api: string,
  pillProducer: Producer,
  stop: AbortSignal,
): Placing {
  const accepted: string[] = []
  const pills: Place[] = []
  const problems: string[] = []
  const state = { placed: 0, done: false }
  const waiting = plan.orders.entries()
  const pillsWaiting = [...plan.pills]

  const worker = async (): Promise<void> => {
    for (const [i, order] of waiting) {
      await pace.turnOf(i, stop)
      const status = await post(api, order, stop)
      state.placed++
      if (status === 202) accepted.push(order.orderId)
      else problems.push(`${order.orderId} was answered with ${status}`)
      while (pillsWaiting[0] !== undefined && pillsWaiting[0].afterOrders <= state.placed) {
        pills.push(await sendPill(pillProducer, pillsWaiting.shift()!))
      }
    }
  }
  const all = async (): Promise<{ readonly problems: readonly string[] }> => {
    try {
      await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker))
      for (const body of plan.invalid) {
        const status = await post(api, body, stop)
        if (status !== 400) problems.push(`an invalid order was answered with ${status}`)
      }
      // A client that lost the answer asks again with the same id: no second order may come of it.
      const again = await post(api, plan.orders[0]!, stop)
      if (again !== 202) problems.push(`a repeated order was answered with ${again}`)
      // What was ordered with an id stands, as soon as the API's own table knows it.
      await untilKnown(api, plan.orders[0]!.orderId, stop)
      const other = await post(api, { ...plan.orders[0]!, items: [{ sku: 'cable', quantity: 999 }] }, stop)
      if (other !== 409) problems.push(`another order with the id of the first was answered with ${other}`)
      return { problems }
    } finally {
      state.done = true
    }
  }
  const finished = all()
  return {
    get placed() {
      return state.placed
    },
    get done() {
      return state.done
    },
    accepted,
    pills,
    finished,
  }
}

async function untilKnown(api: string, orderId: string, stop: AbortSignal): Promise<void> {
  for (;;) {
    const answer = await fetch(`${api}/orders/${orderId}`, { signal: stop })
    await answer.arrayBuffer()
    if (answer.ok) return
    await pause(100, stop)
  }
}

/** Posts an order, and again while the API says that it could not take it. */
async function post(api: string, body: unknown, stop: AbortSignal): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(`${api}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: stop,
    })
    await answer.arrayBuffer()
    if (answer.status !== 503 || attempt === 5) return answer.status
    await pause(1_000, stop)
  }
}
