import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { systemRuntime } from 'holdfast'

/** What one run of a consumer has measured. */
export interface Consumed {
  readonly records: number
  /** From the first record handled to the last. */
  readonly seconds: number
  /** What the process has computed meanwhile: all its threads. */
  readonly cpuSeconds?: number
  /** By how much the heap after a garbage collection grew, in bytes per record: the slope of a straight line through the samples. */
  readonly heapBytesPerRecord?: number
  /** The most bytes of records that the consumer held, by its health. */
  readonly bufferedBytes?: number
}

/** A consumer in a process of its own, which stays for all rounds: its compiler is warm, and nobody else's garbage is in its heap. */
export interface ConsumerProcess {
  /** Consumes so many records from the topic's beginning in a group of its own. */
  run(count: number): Promise<Consumed>
  close(): Promise<void>
}

const RUN_WITHIN_MS = 600_000

/** Starts it. Each line `<group> <count>` that it gets is one run; its answer is one line of JSON. The end of its input ends it. */
export function startConsumerProcess(command: string, args: readonly string[]): ConsumerProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const errors: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line)
    if (errors.length > 25) errors.shift()
  })
  child.stdin.on('error', () => undefined) // it may have ended: the answer that does not come says so
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      errors.push(error.message)
      resolve()
    })
    child.once('close', () => resolve())
  })
  return {
    async run(count) {
      const timer = setTimeout(() => {
        errors.push(`no answer after ${RUN_WITHIN_MS} ms`)
        child.kill('SIGKILL')
      }, RUN_WITHIN_MS)
      try {
        child.stdin.write(`bench-${systemRuntime.ids()} ${count}\n`)
        const answer = await answers.next()
        if (answer.done !== true) return JSON.parse(answer.value) as Consumed
        await ended
        throw new Error(`the consuming process ended:\n${errors.join('\n')}`)
      } finally {
        clearTimeout(timer)
      }
    },
    async close() {
      child.stdin.end()
      await ended
    },
  }
}
