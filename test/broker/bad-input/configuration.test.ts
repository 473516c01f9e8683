import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import { canariesIn, configurationEntries } from './index.ts'

test('options that do not fit are refused before anything connects, by one error that names every place and shows no value', async () => {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())))
  const driver = kafkajsDriver({ brokers: [`127.0.0.1:${(server.address() as AddressInfo).port}`] })

  const ends: unknown[] = []
  for (const { name, use, paths: expected, othersToo = false } of configurationEntries) {
    const error: unknown = await (async () => use(driver))().then(
      () => 'taken',
      (thrown: unknown) => thrown,
    )
    const is = HoldfastError.is(error)
    ends.push({
      name,
      code: is ? error.code : error,
      paths: is ? namedIn(error).filter((path) => !othersToo || expected.includes(path)) : [],
      shown: canariesIn(error),
    })
  }
  expect(ends).toEqual(
    configurationEntries.map(({ name, paths }) => ({
      name,
      code: 'HOLDFAST_CONFIG_INVALID',
      paths: paths.toSorted(),
      shown: [],
    })),
  )
  expect(connections).toBe(0)
})

function namedIn({ problems }: HoldfastError): string[] {
  return [...new Set(problems.map(({ path }) => path))].toSorted()
}
