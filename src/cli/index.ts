export { runCli } from './run-cli.ts'
export type { CliSurroundings, TextOutput } from './surroundings.ts'
