import { HoldfastError } from '../../../src/errors/index.ts'
import type { InMemoryOutboxCall, InMemoryOutboxFaults } from '../../../src/testing/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'

/** The way from processes to the database: calls and answers take time, are lost, or take longer than anybody should have to wait. */
export interface WayToTheDatabase {
  /** For a client of this process. */
  of(process: SimulatedProcess): InMemoryOutboxFaults
  down: boolean
  /** Nothing is lost any more. */
  calm: boolean
}

/** Makes a {@link WayToTheDatabase}. @param odds - how often a call has a fault, from 0 to 1 */
export function createWayToTheDatabase(simulation: Simulation, odds: number): WayToTheDatabase {
  const { int, chance, note } = simulation
  const unavailable = (): HoldfastError => new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'away', { retriable: true })
  /** What is on its way gets there, whatever becomes of who has sent it. */
  const onTheWay = (ms: number): Promise<void> =>
    new Promise((resolve) => simulation.at(simulation.now + ms, () => resolve()))
  const isFault = (): boolean => !way.calm && chance(odds)
  const slow = (): number => (isFault() ? 50 + int(1_500) : int(4))

  const way: WayToTheDatabase = {
    down: false,
    calm: false,
    of: (process) => ({
      async before() {
        await onTheWay(slow())
        if (!way.down && !isFault()) return
        await process.pause(int(4))
        throw unavailable()
      },
      within: () => onTheWay(int(3)),
      async after(call: InMemoryOutboxCall) {
        if (way.down || isFault()) {
          note(`${process.name}: the answer to ${call} is lost`)
          await process.pause(int(200))
          throw unavailable()
        }
        await process.pause(slow())
      },
    }),
  }
  return way
}
