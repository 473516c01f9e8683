import { startKafka } from './kafka.ts'
import { watchParent } from './parent.ts'
import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'
import type { Services, ServicesOptions } from './services.ts'

/**
 * Starts the asked services side by side and resolves when all of them answer. They never outlive this process, however it ends;
 * `close()` stops them earlier and in order. When one cannot be started, the others are stopped again.
 *
 * @throws Error that says what to install, or shows the end of the server's log.
 */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const progress = options.onProgress ?? (() => undefined)
  const [kafka, postgres, redis] = await Promise.allSettled([
    options.kafka === undefined ? undefined : startKafka(options.kafka, progress),
    options.postgres === true ? startPostgres(progress) : undefined,
    options.redis === true || options.redis === 'cluster'
      ? startRedis(progress, options.redis === 'cluster')
      : undefined,
  ])
  const all = [kafka, postgres, redis]
  const started = all.flatMap((result) => (result.status === 'fulfilled' ? (result.value ?? []) : []))

  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    stopWatching()
    closing ??= Promise.all(started.map((service) => service.close())).then(() => undefined)
    return closing
  }
  const stopWatching = options.stopWithParent === true ? watchParent(() => void close()) : () => undefined

  const failures = all.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  if (failures.length > 0) {
    await close()
    throw failures.length === 1 ? failures[0] : new AggregateError(failures, failures.map(messageOf).join('\n'))
  }
  return {
    ...valueOf('kafka', kafka),
    ...valueOf('postgres', postgres),
    ...valueOf('redis', redis),
    close,
  }
}

function valueOf<Name extends string, Value>(
  name: Name,
  result: PromiseSettledResult<Value | undefined>,
): { readonly [Key in Name]?: Value } {
  const fields: { [Key in Name]?: Value } = {}
  if (result.status === 'fulfilled' && result.value !== undefined) fields[name] = result.value
  return fields
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
