import type { Driver, DriverProducer, ProduceBatch, ProduceOutcome } from '../../../src/driver/index.ts'
import type { Headers } from '../../../src/record/index.ts'
import { headerText, textHeader } from '../../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import { watchProducer } from '../watched-producer.ts'

/** Who has written which record: each carries the number of the produce call that it came with. */
export interface WrittenCopies {
  /** The driver of a process, watched; and so is the process itself, whenever it stands still. */
  driverOf(process: SimulatedProcess): Driver
  /**
   * Did the process that wrote this stand still between its look at the lease and the end of the call? Then it may have written under a lease that it had no
   * more.
   */
  wasStandingStill(headers: Headers): boolean
  /** Who wrote it, in which call, for the trace. */
  writerOf(headers: Headers): string
}

/** Between the look at the lease and the produce call lie a few turns. */
const LOOK_MS = 100

const CALL = 'simulation-call'

interface Call {
  readonly process: SimulatedProcess
  readonly fromMs: number
  untilMs: number
}

/** Makes {@link WrittenCopies}. @param onSend - a process is about to write, under a lease that it has looked at */
export function createWrittenCopies(
  simulation: Simulation,
  onSend: (process: SimulatedProcess) => void,
): WrittenCopies {
  const calls: Call[] = []
  const stops: { readonly process: SimulatedProcess; readonly fromMs: number; untilMs: number }[] = []

  const stamped = async (
    process: SimulatedProcess,
    batch: ProduceBatch,
    produce: (batch: ProduceBatch) => Promise<readonly ProduceOutcome[]>,
  ): Promise<readonly ProduceOutcome[]> => {
    onSend(process)
    const call: Call = { process, fromMs: simulation.now, untilMs: Infinity }
    const header = textHeader(CALL, String(calls.push(call) - 1))
    const ids = batch.records.map(({ headers }) => headerText(headers, 'holdfast-id'))
    simulation.note(`${process.name} sends ${ids.join(', ')}`)
    const records = batch.records.map((record) => ({ ...record, headers: [...record.headers, header] }))
    await process.pause(0) // where it may stand still
    try {
      const outcomes = await produce({ ...batch, records })
      simulation.note(
        `${process.name}: of ${ids.join(', ')} acknowledged are ${outcomes.filter(({ ok }) => ok).length}`,
      )
      return outcomes
    } finally {
      call.untilMs = simulation.now
    }
  }
  const stampedProducer = (process: SimulatedProcess, producer: DriverProducer): DriverProducer => ({
    ...producer,
    produce: (batch, options) => stamped(process, batch, (each) => producer.produce(each, options)),
    async begin() {
      onSend(process)
      await process.pause(0) // where it may stand still
      const open = await producer.begin()
      return {
        ...open,
        produce: (batch, options) => stamped(process, batch, (each) => open.produce(each, options)),
      }
    },
  })

  const watchStops = (process: SimulatedProcess): void => {
    const { suspend, resume } = process
    Object.assign(process, {
      suspend() {
        stops.push({ process, fromMs: simulation.now, untilMs: Infinity })
        suspend()
      },
      resume() {
        for (const stop of stops) if (stop.process === process) stop.untilMs = Math.min(stop.untilMs, simulation.now)
        resume()
      },
    })
  }

  return {
    driverOf(process) {
      watchStops(process)
      return {
        ...process.driver,
        createProducer(options) {
          const producer = stampedProducer(process, process.driver.createProducer(options))
          return watchProducer(simulation, process, producer, () => true)
        },
      }
    },
    writerOf(headers) {
      const { process, fromMs, untilMs } = calls[Number(headerText(headers, CALL))]!
      return `${process.name}, in a call from ${fromMs} to ${untilMs}`
    },
    wasStandingStill(headers) {
      const { process, fromMs, untilMs } = calls[Number(headerText(headers, CALL))]!
      return stops.some(
        (stop) => stop.process === process && stop.fromMs <= untilMs && stop.untilMs >= fromMs - LOOK_MS,
      )
    },
  }
}
