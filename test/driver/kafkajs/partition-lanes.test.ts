import { expect, test } from 'vitest'
import { deadlineIn, LATE } from '../../../src/driver/kafkajs/deadline.ts'
import { createPartitionLanes } from '../../../src/driver/kafkajs/partition-lanes.ts'
import { virtualClock } from '../../../src/testing/index.ts'

const nothing = (): undefined => undefined

function setup() {
  const clock = virtualClock()
  const lanes = createPartitionLanes()
  const trace: string[] = []
  const call = (name: string, ms: number) => async (): Promise<string> => {
    trace.push(`${name} begins`)
    await clock.sleep(ms)
    trace.push(`${name} ends`)
    return name
  }
  return { clock, lanes, trace, call, soon: () => deadlineIn(clock, 1_000) }
}

test('calls of one partition follow each other in the order they came, and those of another run beside them', async () => {
  const { clock, lanes, trace, call, soon } = setup()
  await clock.run(
    Promise.all([
      lanes.run('a', soon(), call('a1', 20), nothing),
      lanes.run('a', soon(), call('a2', 10), nothing),
      lanes.run('b', soon(), call('b1', 5), nothing),
    ]),
  )
  expect(trace).toEqual(['a1 begins', 'b1 begins', 'b1 ends', 'a1 ends', 'a2 begins', 'a2 ends'])
})

test('a call that cannot begin before its deadline never begins, and the next still waits for the one before it', async () => {
  const { clock, lanes, trace, call } = setup()
  const ends = await clock.run(
    Promise.all([
      lanes.run('a', deadlineIn(clock, 1_000), call('slow', 500), nothing),
      lanes.run('a', deadlineIn(clock, 100), call('impatient', 10), nothing),
      lanes.run('a', deadlineIn(clock, 1_000), call('patient', 10), nothing),
    ]),
  )
  expect(ends).toEqual(['slow', LATE, 'patient'])
  expect(trace).toEqual(['slow begins', 'slow ends', 'patient begins', 'patient ends'])
})

test('a doubtful call keeps its lane closed until its sockets are gone, so that nothing overtakes it', async () => {
  const { clock, lanes, trace, call, soon } = setup()
  const gone = clock.sleep(300).then(() => void trace.push('gone'))
  await clock.run(
    Promise.all([
      lanes.run('a', soon(), call('doubtful', 10), () => gone),
      lanes.run('a', soon(), call('next', 10), nothing),
    ]),
  )
  expect(trace).toEqual(['doubtful begins', 'doubtful ends', 'gone', 'next begins', 'next ends'])
})

test('a call that throws opens its lane', async () => {
  const { clock, lanes, call, soon } = setup()
  const broken = lanes.run('a', soon(), () => Promise.reject(new Error('broken')), nothing)
  await expect(broken).rejects.toThrow('broken')
  expect(await clock.run(lanes.run('a', soon(), call('next', 1), nothing))).toBe('next')
})
