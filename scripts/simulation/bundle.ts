import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { bundleProgram } from '../bundle-program.ts'
import type { Patch } from './patch.ts'
import { patched } from './patch.ts'

const WORKER = 'scripts/simulation/worker.ts'

/**
 * Makes one file of the simulator and everything it runs, patched or not, for worker threads that start at once.
 *
 * @throws Error when the text of a patch is not there exactly once: the source has moved on, and the patch would prove nothing.
 */
export async function bundleSimulator(name: string, patches: readonly Patch[] = []): Promise<string> {
  const outfile = `.tmp/simulation/${name}.mjs`
  await bundleProgram(WORKER, outfile, {
    plugins: [
      {
        name: 'patches',
        setup(builder) {
          builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
            const own = patches.filter(({ file }) => file === relative(process.cwd(), path))
            if (own.length === 0) return undefined
            return { contents: own.reduce(patched, readFileSync(path, 'utf8')), loader: 'ts' }
          })
        },
      },
    ],
  })
  return outfile
}
