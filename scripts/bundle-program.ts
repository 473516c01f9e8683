import type { Plugin } from 'esbuild'
import { build } from 'esbuild'

/** Makes one file of a program and all that it runs of ours, for threads and processes that have to start at once. What comes from npm stays outside. */
export async function bundleProgram(
  entry: string,
  outfile: string,
  options: { readonly plugins?: Plugin[] } = {},
): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'silent',
    ...options,
  })
}
