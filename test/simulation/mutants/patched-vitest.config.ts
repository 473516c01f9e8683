// Vitest as always, with the patch of a mutant in one source file. `runMutantTest` starts it.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import base from '../../../vitest.config.ts'
import type { Patch } from '../../../scripts/simulation/patch.ts'
import { patched } from '../../../scripts/simulation/patch.ts'

const patch = JSON.parse(process.env['HOLDFAST_MUTANT']!) as Patch

const plugin = {
  name: 'mutant',
  enforce: 'pre' as const,
  load(id: string): string | undefined {
    return id === resolve(patch.file) ? patched(readFileSync(id, 'utf8'), patch) : undefined
  },
}

const { projects = [] } = base.test!
export default defineConfig({
  test: { projects: projects.map((project) => ({ ...(project as object), plugins: [plugin] })) },
})
