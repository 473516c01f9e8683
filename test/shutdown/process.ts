// A process that closes in the way that its argument names, and writes down what happens.
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeOnSignals } from '../../src/shutdown/index.ts'

const say = (text: string): void => void writeSync(1, `${text}\n`)
const log = (level: string) => (_: unknown, message: string) => say(`${level}: ${message}`)
const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
const closable = (name: string, close: () => unknown = () => sleep(20)) => ({
  async close() {
    say(`closing ${name}`)
    const report = await close()
    say(`closed ${name}`)
    return report
  },
})
const never = (): Promise<void> => new Promise(() => {})
const fail = (): never => {
  throw new Error('no broker')
}

const unconfirmed = (): unknown => ({ unconfirmed: [{ topic: 'orders' }] })

const [scene] = process.argv.slice(2)
const group = [closable('first'), closable('second', scene === 'rejects' ? fail : () => sleep(40))]
const last = closable(
  'producer',
  scene === 'hangs' || scene === 'hangs-idle' ? never : scene === 'unconfirmed' ? unconfirmed : undefined,
)
const off = closeOnSignals([group, last], { logger, timeoutMs: 1_000, exitCode: scene === 'own-code' ? 7 : 0 })
if (scene === 'off') off()
if (scene !== 'hangs-idle') setInterval(() => {}, 1_000)
else setTimeout(() => {}, 3_000) // over long before the test could be, so that nothing but the shutdown keeps the process alive
say(`listening ${process.listenerCount('SIGTERM')} ${process.listenerCount('SIGINT')}`)
