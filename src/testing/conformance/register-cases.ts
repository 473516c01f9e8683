import type { TestRunner } from './harness.ts'

/** Where the tests of a suite come from. */
export interface SuiteOptions<World> extends TestRunner {
  /** Heads the tests. */
  readonly name: string
  create(): Promise<World>
}

/** Registers a test for each case: in a world of its own, which is closed whatever happens. */
export function registerCases<World extends { close(): Promise<void> }, Case extends { readonly promise: string }>(
  { name, create, describe, test }: SuiteOptions<World>,
  cases: readonly Case[],
  hold: (each: Case, world: World) => Promise<void>,
): void {
  describe(name, () => {
    for (const each of cases) {
      test(each.promise, async () => {
        const world = await create()
        try {
          await hold(each, world)
        } finally {
          await world.close()
        }
      })
    }
  })
}
