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
export type { SimulateOptions, SimulationProgress, SimulationReport } from './simulate-seeds.ts'
export { simulate } from './simulate-seeds.ts'
export type { GroupFault, GroupOutcome, SimulatedGroup, SimulatedGroupOptions } from './simulated-group.ts'
export { simulatedGroup } from './simulated-group.ts'
export { SimulationError } from './simulation-error.ts'
export type { WatchedCommit } from './watch-commits.ts'
export { watchCommits } from './watch-commits.ts'
