// A process that closes in the way that its argument names, and writes down what happens.
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeOnSignals } from '../../src/shutdown/index.ts'

const say = (text: string): void => void writeSync(1, `${text}\n`)
const [scene] = process.argv.slice(2)
const log = (level: string) => (_: unknown, message: string) => {
  say(`${level}: ${message}`)
  if (scene === 'logger-throws') throw new Error('the log is full')
}
const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
const closable = (name: string, close: () => unknown = () => sleep(20)) => ({
  async close() {
    say(`closing ${name}`)
    const report = await close()
    say(`closed ${name}`)
    return report
  },
})
const never = (): Promise<void> => {
  if (scene === 'hangs-long') setTimeout(() => say('half a second later'), 600)
  return new Promise(() => {})
}
const fail = (): never => {
  throw new Error('no broker')
}

const unconfirmed = (): unknown => ({ unconfirmed: [{ topic: 'orders' }] })

const group = [closable('first'), closable('second', scene === 'rejects' ? fail : () => sleep(40))]
const last = closable(
  'producer',
  scene?.startsWith('hangs') ? never : scene === 'unconfirmed' ? unconfirmed : undefined,
)
const timeoutMs = scene === 'hangs-long' ? 60_000 : 1_000
const off = closeOnSignals([group, last], { logger, timeoutMs, exitCode: scene === 'own-code' ? 7 : 0 })
if (scene === 'off') off()
if (scene !== 'hangs-idle') setInterval(() => {}, 1_000)
else setTimeout(() => {}, 3_000) // over long before the test could be, so that nothing but the shutdown keeps the process alive
say(`listening ${process.listenerCount('SIGTERM')} ${process.listenerCount('SIGINT')}`)
