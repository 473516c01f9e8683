import type { ServiceProcess } from './service-processes.ts'
import { startServiceProcess } from './service-processes.ts'
import { withPatience } from './stopping.ts'

/** The processes of the services. */
export interface Fleet {
  /** Those that should run: one that ends by itself ends the demo. */
  readonly running: ReadonlySet<ServiceProcess>
  /** @param port - where it listens, of the one that does: where the one before it did */
  start(name: string, port?: string): Promise<ServiceProcess>
  /** The oldest process of a service. */
  first(name: string): ServiceProcess
  /** It may end from now on. */
  letGo(service: ServiceProcess): void
  /** Resolves when it has its first partitions, or whatever else it begins with. */
  ready(service: ServiceProcess): Promise<void>
  stopAll(): Promise<void>
}

const START_LIMIT_MS = 90_000

/** Makes a {@link Fleet} of nothing. */
export function createFleet(environment: Readonly<Record<string, string>>, stop: AbortSignal): Fleet {
  const running = new Set<ServiceProcess>()
  const all = new Set<ServiceProcess>()
  return {
    running,
    async start(name, port = process.env['PORT'] ?? '0') {
      const listening = name === 'order-api' ? { PORT: port } : {}
      const service = await startServiceProcess(`services/${name}.ts`, { ...environment, ...listening })
      all.add(service)
      running.add(service)
      return service
    },
    first: (name) => [...running].find((service) => service.name === name)!,
    letGo: (service) => void running.delete(service),
    async ready(service) {
      const signal = withPatience(stop, START_LIMIT_MS, `${service.name} does not become ready`)
      await service.waitForLine((line) => line['message'] === 'ready' || undefined, signal)
    },
    async stopAll() {
      for (const { child } of all) child.signal('SIGCONT') // one that stands still hears no SIGTERM
      await Promise.all([...all].map((service) => service.stop()))
    },
  }
}
