import { build } from 'esbuild'

/** Makes one file of the worker and all it runs: a fleet whose members die every second has to start at once. */
export async function bundleWorker(outfile: string): Promise<void> {
  await build({
    entryPoints: ['test/chaos/worker/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'silent',
  })
}
