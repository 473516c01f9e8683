declare module 'vitest' {
  /** What `global-services.ts` provides to test files. */
  export interface ProvidedContext {
    kafkaBrokers: readonly string[] | undefined
    kafkaClasspath: string | undefined
    postgresUrl: string | undefined
    redisUrl: string | undefined
  }
}

export {}
