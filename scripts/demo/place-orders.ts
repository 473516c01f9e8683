import type { Producer } from 'kafkajs'
import type { Place } from './audit.ts'
import { sendPill } from './cluster.ts'
import type { OrderPlan, PlannedOrder } from './order-plan.ts'
import type { Pace } from './pace.ts'
import { pause } from './stopping.ts'

/** Orders being placed. */
export interface Placing {
  /** Orders the API has answered for, well or badly. */
  readonly placed: number
  readonly accepted: readonly string[]
  /** Orders whose customers have given up: no answer came, and they did not ask again. Such an order is there, or it is not. */
  readonly givenUp: readonly string[]
  readonly pills: readonly Place[]
  readonly done: boolean
  readonly finished: Promise<{ readonly problems: readonly string[] }>
}

const SIDE_BY_SIDE = 6
/** The API is started again within seconds. */
const LOOK_AGAIN_MS = 200

/** Places the orders at their pace, a few at a time, with the pills and the invalid requests in between. */
export function placeOrders(
  plan: OrderPlan,
  pace: Pace,
  api: string,
  pillProducer: Producer,
  stop: AbortSignal,
): Placing {
  const accepted: string[] = []
  const givenUp: string[] = []
  const pills: Place[] = []
  const problems: string[] = []
  const state = { placed: 0, done: false }
  const waiting = plan.orders.entries()
  const pillsWaiting = [...plan.pills]

  /** The first customer who gets no answer gives up, and orders anew later; the others ask again, with the id that they have given. */
  const place = async (order: PlannedOrder): Promise<{ readonly orderId: string; readonly status: number }> => {
    const status = await post(api, order, stop, () => {
      if (givenUp.length > 0) return 'ask again'
      givenUp.push(order.orderId)
      return 'give up'
    })
    if (status !== null) return { orderId: order.orderId, status }
    return place({ ...order, orderId: anew(order.orderId) })
  }
  const worker = async (): Promise<void> => {
    for (const [i, order] of waiting) {
      await pace.turnOf(i, stop)
      const { orderId, status } = await place(order)
      state.placed++
      if (status === 202) accepted.push(orderId)
      else problems.push(`${orderId} was answered with ${status}`)
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
      const [planned] = plan.orders
      const first = {
        ...planned!,
        orderId: givenUp.includes(planned!.orderId) ? anew(planned!.orderId) : planned!.orderId,
      }
      const again = await post(api, first, stop)
      if (again !== 202) problems.push(`a repeated order was answered with ${again}`)
      const other = await post(api, { ...first, items: [{ sku: 'cable', quantity: 999 }] }, stop)
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
    givenUp,
    pills,
    finished,
  }
}

/** The same wish, another order. */
function anew(orderId: string): string {
  return `${orderId}-anew`
}

/**
 * Posts an order until there is an answer, and again while it says that the API could not take it.
 *
 * @param onLost - asked when the connection broke before the answer: nobody knows then whether the order was placed
 * @returns null when that was given up
 */
async function post(
  api: string,
  body: unknown,
  stop: AbortSignal,
  onLost: () => 'ask again' | 'give up' = () => 'ask again',
): Promise<number | null> {
  for (let refusals = 0; ;) {
    const status = await request(api, body, stop)
    if (status === 'lost' && onLost() === 'give up') return null
    if (status === 'lost' || status === 'refused') await pause(LOOK_AGAIN_MS, stop)
    else if (status !== 503 || ++refusals === 5) return status
    else await pause(1_000, stop)
  }
}

/** @returns `refused` when nobody listens, `lost` when the connection broke. */
async function request(api: string, body: unknown, stop: AbortSignal): Promise<number | 'refused' | 'lost'> {
  try {
    const answer = await fetch(`${api}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: stop,
    })
    await answer.arrayBuffer()
    return answer.status
  } catch (error) {
    stop.throwIfAborted()
    return codeOf((error as Error).cause) === 'ECONNREFUSED' ? 'refused' : 'lost'
  }
}

function codeOf(cause: unknown): unknown {
  return Reflect.get(Object(cause), 'code')
}
