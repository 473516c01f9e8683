import { headerText } from '../../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import { customerOf, orderOf } from '../order.ts'

/** What every order has passed. */
export interface Stations {
  /** A new order; its id. @param isPoison - no handler gets along with it */
  ordered(process: SimulatedProcess, isPoison: boolean): number
  isPoison(id: number): boolean
  /** Its send was acknowledged: from here on the shop answers for it. */
  taken(id: number): void
  billed(process: SimulatedProcess, id: number): void
  shipped(process: SimulatedProcess, id: number): void
  /** Has every order that was taken been shipped or parked? */
  allEnded(): boolean
  /** Orders of a customer are shipped in the order in which they came to the log. */
  checkOrder(): void
  /** Nothing was billed or shipped twice. */
  checkOnce(): void
}

/** Makes {@link Stations}: no order yet. */
export function createStations(simulation: Simulation): Stations {
  const { cluster, note, violation } = simulation
  const poison = new Set<number>()
  const taken = new Set<number>()
  const billed = new Map<number, number>()
  const shipped = new Map<number, number>() // in the order of the first time
  let orders = 0

  const parked = (): ReadonlySet<number> =>
    new Set(
      ['orders.dlq', 'shipments.dlq'].flatMap((topic) => cluster.records(topic)).map(({ value }) => orderOf(value!).id),
    )
  const count = (what: Map<number, number>, id: number): void => void what.set(id, (what.get(id) ?? 0) + 1)

  return {
    ordered(process, isPoison) {
      const id = orders++
      if (isPoison) poison.add(id)
      note(`${process.name} orders ${id}`)
      return id
    },
    isPoison: (id) => poison.has(id),
    taken(id) {
      note(`order ${id} is taken`)
      taken.add(id)
    },
    billed(process, id) {
      note(`${process.name} bills ${id}`)
      count(billed, id)
    },
    shipped(process, id) {
      note(`${process.name} ships ${id}`)
      if (!billed.has(id)) violation('shipped-unbilled', `${id}`)
      count(shipped, id)
    },
    allEnded() {
      const ended = [...taken].every((id) => shipped.has(id))
      if (ended) return true
      const dead = parked()
      return [...taken].every((id) => shipped.has(id) || dead.has(id))
    },
    checkOrder() {
      const dead = parked()
      const places = new Map<string, number>() // of each order, where its first record stands
      for (const { headers, offset } of cluster.records('orders')) {
        const id = headerText(headers, 'holdfast-id') ?? ''
        if (!places.has(id)) places.set(id, Number(offset))
      }
      const last = new Map<string, number>()
      for (const id of shipped.keys()) {
        if (dead.has(id)) continue
        const place = places.get(`order-${id}`)!
        if (place < (last.get(customerOf(id)) ?? -1)) violation('out-of-order', `${id} was shipped after a later order`)
        last.set(customerOf(id), place)
      }
    },
    checkOnce() {
      for (const [what, counts] of [['billed', billed] as const, ['shipped', shipped] as const]) {
        for (const [id, times] of counts)
          if (times > 1) violation('repeated', `${id} was ${what} ${times} times, and nobody was disturbed`)
      }
    },
  }
}
