import type { Simulation } from '../../src/testing/simulation/index.ts'

/** When what goes wrong goes wrong. */
export interface Nemesis {
  readonly healed: boolean
  /** Acts at so many moments before all is healed. */
  strike(count: number, act: () => void): void
  /** Begins something that ends after a while, at the latest when all is healed. */
  forAWhile(begin: () => void, end: () => void): void
  /** Ends all that {@link Nemesis.forAWhile} began. */
  heal(): void
}

/** Makes a {@link Nemesis} for the phase of faults. */
export function createNemesis(simulation: Simulation): Nemesis {
  const { int } = simulation
  const open = new Set<() => void>()
  let healed = false
  return {
    get healed() {
      return healed
    },
    strike(count, act) {
      for (let i = 0; i < count; i++) {
        simulation.at(int(5_000), () => {
          if (!healed) act()
        })
      }
    },
    forAWhile(begin, end) {
      begin()
      open.add(end)
      simulation.at(simulation.now + int(2_500), () => {
        if (open.delete(end)) end()
      })
    },
    heal() {
      healed = true
      for (const end of open) end()
      open.clear()
    },
  }
}
