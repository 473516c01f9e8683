import { defineConfig } from 'vitest/config'

// Tests, docs and examples import the package by its name; this condition leads the name to src/, so that no build is needed.
const source = {
  resolve: { conditions: ['holdfast-source'] },
  ssr: { resolve: { conditions: ['holdfast-source', 'node'] } },
}

const own = ['test/broker/**', 'test/docs/**', 'test/package/**', '**/node_modules/**']

export default defineConfig({
  test: {
    projects: [
      {
        ...source,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: own, testTimeout: 10_000 },
      },
      {
        ...source,
        test: {
          name: 'docs',
          include: ['test/docs/**/*.test.ts'],
          globalSetup: ['test/helpers/global-services.ts'],
          testTimeout: 60_000,
        },
      },
      {
        ...source,
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: ['test/helpers/global-services.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        ...source,
        test: {
          name: 'broker',
          include: ['test/broker/**/*.test.ts'],
          globalSetup: ['test/helpers/global-services.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
    ],
  },
})
