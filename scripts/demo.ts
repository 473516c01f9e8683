// `npm run demo`: the order-processing example on a real Kafka, with trouble on the way and an audit at the end.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDemoArguments, USAGE } from './demo/arguments.ts'
import { runDemo } from './demo/run-demo.ts'
import { watchParent } from './services/index.ts'

const args = parseDemoArguments(process.argv.slice(2))
if (args.kind === 'help') {
  console.log(USAGE)
  process.exit(0)
}
if (args.kind === 'wrong') {
  console.error(`${args.problems.join('\n')}\n\n${USAGE}`)
  process.exit(2)
}
if (!existsSync(new URL('../dist/index.js', import.meta.url))) {
  console.error(
    'dist/ is missing: the services run on the built package. `npm run demo` builds it; so does `npm run build`.',
  )
  process.exit(1)
}

const stop = new AbortController()
let stoppingSince = 0
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) {
      // The terminal, npm and tsx each pass on the same Ctrl-C: what comes at once is one signal. After a second one the guards of the
      // children do the rest.
      if (performance.now() - stoppingSince > 300) process.kill(process.pid, 'SIGKILL')
      return
    }
    stoppingSince = performance.now()
    stop.abort(new Error(`stopped by ${signal}`))
  })
}
watchParent(() => stop.abort(new Error('stopped: the caller is gone')))
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

const folder = await mkdtemp(join(tmpdir(), 'holdfast-demo-'))
try {
  const sound = await runDemo({ ...args, traceFile: join(folder, 'spans.jsonl'), stop: stop.signal })
  process.exitCode = sound ? 0 : 1
} catch (error) {
  process.exitCode = 1
  if (!stop.signal.aborted) console.error(error instanceof Error ? error.message : error)
  else if (!args.serve) console.error((stop.signal.reason as Error).message)
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exit()
