import type { Journal } from '../history/index.ts'

/** Does harm for a while, and writes down from when to when. */
export interface Nemesis {
  /**
   * Begins a fault, lets `meanwhile` run, and heals. Healed in any case, also when the run is stopped meanwhile.
   *
   * @param begin - resolves with what heals it.
   */
  during(
    fault: string,
    target: string,
    begin: () => Promise<Heal> | Heal,
    meanwhile: () => Promise<void>,
  ): Promise<void>
  /** A fault without duration, or with one of its own. */
  once(fault: string, target: string, act: () => Promise<void> | void): Promise<void>
}

/** Ends a fault. */
export type Heal = () => Promise<void> | void

/** Makes a {@link Nemesis}. `onFault` hears of each, for people. */
export function createNemesis(journal: Journal, onFault: (text: string) => void): Nemesis {
  return {
    async during(fault, target, begin, meanwhile) {
      onFault(`${fault}: ${target}`)
      journal.write({ f: 'nemesis', fault, target, phase: 'start' })
      try {
        const heal = await begin()
        try {
          await meanwhile()
        } finally {
          await heal()
        }
      } finally {
        journal.write({ f: 'nemesis', fault, target, phase: 'stop' })
      }
    },
    async once(fault, target, act) {
      onFault(`${fault}: ${target}`)
      journal.write({ f: 'nemesis', fault, target, phase: 'start' })
      try {
        await act()
      } finally {
        journal.write({ f: 'nemesis', fault, target, phase: 'stop' })
      }
    },
  }
}
