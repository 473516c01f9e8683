import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import type { Scenario } from '../machine/index.ts'

const MOST_BYTES = 65_536
const ENDS_WITHIN_MS = 30_000
const TAKEOVER_MS = 5_000

/** A broker cannot write any more: it gives up, and is started again when there is room. */
export const diskFull: Scenario = {
  number: 17,
  name: 'disk-full',
  about:
    'A broker can make no file longer (a limit of its process stands in for a full disk) and ends; with room again it comes back.',
  seconds: 75,
  workload: { ratePerSecond: 200, padBytes: 1_000 },
  expectations: { livenessBoundMs: 90_000 },
  async impossible() {
    try {
      execFileSync('prlimit', ['--version'], { stdio: 'ignore' })
      return null
    } catch {
      return 'there is no prlimit, which takes room away from a broker that runs'
    }
  },
  async inject(world) {
    const node = await world.cluster.leaderOf(world.topic, 0)
    await world.nemesis.during(
      'no room',
      `node ${node.id}`,
      async () => {
        await promisify(execFile)('prlimit', ['--pid', String(node.pid), `--fsize=${MOST_BYTES}`])
        return () => node.restart()
      },
      async () => {
        const deadline = performance.now() + ENDS_WITHIN_MS
        while (isAlive(node.pid)) {
          if (performance.now() > deadline) throw new Error('the broker went on without room: the fault never happened')
          await world.pause(200)
        }
        await world.pause(TAKEOVER_MS)
      },
    )
  },
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
