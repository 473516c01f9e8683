export type { HoldfastConfig, PostgresConfig } from './define-config.ts'
export { defineConfig } from './define-config.ts'
