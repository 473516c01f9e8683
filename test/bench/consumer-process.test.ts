import { expect, test } from 'vitest'
import { startConsumerProcess } from '../../bench/consumer-process.ts'

// Its seconds say for how many groups it has been asked.
const answering = `
  const groups = new Set()
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const [group, count] = line.split(' ')
    groups.add(group)
    console.log(JSON.stringify({ records: Number(count), seconds: groups.size }))
  })
`

test('each run is a group of its own and has its own answer', async () => {
  const child = startConsumerProcess(process.execPath, ['-e', answering])
  expect(await child.run(10)).toEqual({ records: 10, seconds: 1 })
  expect(await child.run(20)).toEqual({ records: 20, seconds: 2 })
  await child.close()
})

test('a process that dies fails the run with what it said last, instead of a bench that hangs', async () => {
  const child = startConsumerProcess(process.execPath, ['-e', 'console.error("no broker here"); process.exit(3)'])
  await expect(child.run(10)).rejects.toThrow('no broker here')
})

test('a program that is not there is named', async () => {
  await expect(startConsumerProcess('no-such-java', []).run(10)).rejects.toThrow('no-such-java')
})
