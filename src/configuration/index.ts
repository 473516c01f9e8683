export type { HoldfastConfig, OutboxConfig, PostgresConfig } from './define-config.ts'
export { defineConfig } from './define-config.ts'
