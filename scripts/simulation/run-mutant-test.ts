import { spawn } from 'node:child_process'
import type { Patch } from './patch.ts'

/** Tests that must fail with a patch. */
export interface TestRun {
  readonly project: 'unit' | 'broker'
  readonly file: string
}

/**
 * Runs the tests of a file with a patch in one source file, up to the first that fails.
 *
 * @returns its name; null when none failed.
 * @throws Error when no test has run: that proves nothing.
 */
export async function runMutantTest(patch: Patch, run: TestRun): Promise<string | null> {
  const first = await runTests(patch, run, ['--bail', '1'])
  // Vitest ends tests that run side by side when it bails, and forgets which has failed.
  const { tests, said } = hasRun(first) ? first : await runTests(patch, run, [])
  if (!hasRun({ tests })) throw new Error(`${run.file}: no test has run\n${said.slice(-2_000)}`)
  return tests.find(({ status }) => status === 'failed')?.title ?? null
}

function hasRun({ tests }: Pick<Ran, 'tests'>): boolean {
  return tests.some(({ status }) => status === 'passed' || status === 'failed')
}

async function runTests(patch: Patch, { project, file }: TestRun, flags: readonly string[]): Promise<Ran> {
  const args = ['vitest', 'run', '--config', CONFIG, '--project', project, ...flags, '--reporter', 'json', file]
  const child = spawn('npx', args, {
    env: { ...process.env, HOLDFAST_MUTANT: JSON.stringify(patch) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  const start = out.indexOf('{"numTotalTestSuites"')
  const report = start === -1 ? null : (JSON.parse(out.slice(start)) as Report)
  return { tests: report?.testResults.flatMap(({ assertionResults }) => assertionResults) ?? [], said }
}

const CONFIG = 'test/simulation/mutants/patched-vitest.config.ts'

interface Ran {
  readonly tests: readonly ReportedTest[]
  /** On standard error. */
  readonly said: string
}

interface ReportedTest {
  readonly status: string
  readonly title: string
}

/** What is read of the report of Vitest. */
interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly ReportedTest[] }[]
}
