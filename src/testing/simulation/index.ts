export type { SimProcess } from './sim-processes.ts'
export type {
  Scenario,
  ScenarioRun,
  SeedResult,
  SimulatedProcess,
  Simulation,
  SimulationBounds,
  Violation,
} from './simulate.ts'
export { simulateSeed } from './simulate.ts'
