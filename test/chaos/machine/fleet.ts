import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../../../scripts/services/child.ts'
import { makeFolder, removeFolder, startChild } from '../../../scripts/services/child.ts'
import type { EmittedText } from '../checker/index.ts'
import type { Journal } from '../history/index.ts'
import { CONFIG_VARIABLE } from '../worker/index.ts'
import type { WorkerConfig } from '../worker/index.ts'

/** What a worker is told, but for what its incarnation decides. */
export type WorkerPlan = WorkerConfig extends infer Config
  ? Config extends unknown
    ? Omit<Config, 'proc'>
    : never
  : never

/** One incarnation of a worker. */
export interface Worker {
  /** `consumer-1`, whatever the incarnation. */
  readonly name: string
  /** `consumer-1#3`; also the id of its Kafka client. */
  readonly proc: string
  readonly role: WorkerConfig['role']
  readonly child: Child
}

/** The processes of a scenario. One that is killed is started again under a new name, until the fleet is told to let it be. */
export interface Fleet {
  /** Those that live, oldest first. */
  readonly consumers: readonly Worker[]
  readonly producers: readonly Worker[]
  /** Those of a role that live, oldest first. */
  workers(role: WorkerConfig['role']): readonly Worker[]
  start(name: string, plan: WorkerPlan): Promise<Worker>
  /** SIGKILL. Resolves when it is gone; another one takes its place. */
  kill(worker: Worker): Promise<void>
  /** SIGTERM, and SIGKILL after the grace. Resolves with how it ended; nobody takes its place. */
  stop(worker: Worker, graceMs?: number): Promise<{ readonly tookMs: number; readonly exitCode: number | null }>
  /** SIGTERM to all of a role. */
  stopAll(role: WorkerConfig['role']): Promise<void>
  /** Ends everything at once, stopped processes too. */
  killAll(): Promise<void>
  /** What the workers have printed. */
  texts(): Promise<readonly EmittedText[]>
  /** Moves what they have printed into a folder, one file a process. */
  keepLogs(into: string): Promise<void>
}

const STOP_GRACE_MS = 45_000
const START_AGAIN_MS = 200

/** Makes a fleet of nobody. `script` is the bundled worker; the journal is the machine's own. */
export function createFleet(script: string, journal: Journal): Fleet {
  const alive = new Set<Worker & { readonly plan: WorkerPlan }>()
  const incarnations = new Map<string, number>()
  const letGo = new Set<string>()
  const folders = new Map<string, string>()
  const restarts = new Set<Promise<void>>()
  let isOver = false

  async function start(name: string, plan: WorkerPlan): Promise<Worker> {
    const incarnation = (incarnations.get(name) ?? 0) + 1
    incarnations.set(name, incarnation)
    const proc = `${name}#${incarnation}`
    const folder = await makeFolder('chaos-worker')
    folders.set(proc, folder)
    const config: WorkerConfig = { ...plan, proc }
    const child = await startChild({
      command: process.execPath,
      args: ['--enable-source-maps', script],
      folder,
      env: { [CONFIG_VARIABLE]: JSON.stringify(config), NODE_OPTIONS: '' },
    })
    const worker = { name, proc, role: plan.role, child, plan }
    alive.add(worker)
    journal.write({ f: 'start', role: plan.role, of: proc })
    void child.exited.then((exit) => ended(worker, exit))
    return worker
  }

  function ended(
    worker: Worker & { readonly plan: WorkerPlan },
    { code, signal }: { code: number | null; signal: string | null },
  ) {
    alive.delete(worker)
    const { proc, role, name, plan } = worker
    journal.write({ f: 'stop', role, of: proc, exitCode: code, signal })
    if (signal === null || isOver || letGo.has(proc)) return
    // Its accidents were the first incarnation's: the next one is well.
    const { dieAt: _dieAt, ...rest } = plan
    const next = {
      ...rest,
      ...('accident' in rest ? { accident: undefined } : {}),
      ...('standAt' in rest ? { standAt: undefined } : {}),
    } as WorkerPlan
    const restart = sleep(START_AGAIN_MS)
      .then(() => (isOver ? undefined : start(name, next)))
      .then(() => void restarts.delete(restart))
    restarts.add(restart)
  }

  async function stop(worker: Worker, graceMs = STOP_GRACE_MS) {
    letGo.add(worker.proc)
    const begunAt = performance.now()
    await worker.child.stop('SIGTERM', graceMs)
    return { tookMs: performance.now() - begunAt, exitCode: worker.child.exit?.code ?? null }
  }

  const of = (role: WorkerConfig['role']): Worker[] => Array.from(alive).filter((worker) => worker.role === role)

  return {
    get consumers() {
      return of('consumer')
    },
    get producers() {
      return of('producer')
    },
    workers: of,
    start,
    async kill(worker) {
      await worker.child.stop('SIGKILL', 0)
    },
    stop,
    async stopAll(role) {
      await Promise.all(restarts)
      for (const { child } of of(role)) child.signal('SIGCONT') // one that stands still hears no SIGTERM
      await Promise.all(of(role).map((worker) => stop(worker)))
    },
    async killAll() {
      isOver = true
      await Promise.all(restarts)
      await Promise.all(Array.from(alive).map(({ child }) => child.stop('SIGKILL', 0)))
    },
    async texts() {
      const texts = Array.from(folders, async ([proc, folder]) => {
        const text = await readFile(join(folder, 'server.log'), 'utf8').catch(() => '')
        return text.split('\n').map((line) => ({ source: proc, text: line }))
      })
      return (await Promise.all(texts)).flat()
    },
    async keepLogs(into) {
      await mkdir(into, { recursive: true })
      for (const [proc, folder] of folders) {
        await copyFile(join(folder, 'server.log'), join(into, `${proc}.log`)).catch(() => undefined)
        await removeFolder(folder)
      }
      folders.clear()
    },
  }
}
