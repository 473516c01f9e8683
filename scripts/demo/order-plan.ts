/** What the demo is going to do, all of it decided by the seed. */
export interface OrderPlan {
  readonly orders: readonly PlannedOrder[]
  /** Requests that the API must refuse with 400. */
  readonly invalid: readonly unknown[]
  readonly pills: readonly PlannedPill[]
}

export interface PlannedOrder {
  readonly orderId: string
  readonly customerId: string
  readonly items: ReadonlyArray<{ readonly sku: string; readonly quantity: number }>
}

/** A record that no service can understand, and after how many orders it is sent. */
export interface PlannedPill {
  readonly afterOrders: number
  readonly topic: string
  readonly what: 'broken JSON' | 'other schema' | 'keyless bytes'
  readonly key: string | null
  readonly value: Buffer
}

const ARTICLES = ['keyboard', 'mouse', 'monitor', 'cable'] as const
/** There are 10 of it: see the example's `shared/catalogue.ts`. */
const SCARCE = 'signed-poster'

/** Every twelfth order wants what is scarce; a pill comes about every thirty orders, of each kind at least one. */
export function planOrders(count: number, seed: number): OrderPlan {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!

  const orders = Array.from({ length: count }, (_, i): PlannedOrder => {
    const lines = 1 + Math.floor(random() * 3)
    const items = Array.from({ length: lines }, () => ({
      sku: pick(ARTICLES) as string,
      quantity: 1 + Math.floor(random() * 3),
    }))
    return {
      orderId: `order-${seed}-${String(i + 1).padStart(4, '0')}`,
      customerId: `customer-${1 + Math.floor(random() * 40)}`,
      items: random() < 1 / 12 ? [...items, { sku: SCARCE, quantity: 1 }] : items,
    }
  })

  const kinds: ReadonlyArray<Pick<PlannedPill, 'what' | 'key' | 'value'>> = [
    { what: 'broken JSON', key: 'pill-json', value: Buffer.from('{"type":"order.created","orderId":') },
    { what: 'other schema', key: 'pill-schema', value: Buffer.from('{"type":"order.created","orderId":7}') },
    { what: 'keyless bytes', key: null, value: Buffer.from([0xff, 0xfe, 0x00, 0x80]) },
  ]
  const topics = ['order-events', 'order-events', 'payment-events', 'inventory-events']
  const pills = Array.from({ length: Math.max(kinds.length, Math.round(count / 30)) }, (_, i) => ({
    ...kinds[i % kinds.length]!,
    topic: topics[i % topics.length]!,
    afterOrders: Math.floor(random() * count),
  }))
  const invalid = [
    {},
    { customerId: 'ada', items: [] },
    { customerId: 'ada', items: [{ sku: 'no-such-article', quantity: 1 }] },
    { customerId: 'ada', items: [{ sku: 'mouse', quantity: 0.5 }], coupon: 'what is not asked for' },
  ]
  return { orders, invalid, pills: pills.toSorted((a, b) => a.afterOrders - b.afterOrders) }
}

/** Mulberry32: small, fast, and the same on every machine. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
