export type { RetryOptions } from './retry-options.ts'
