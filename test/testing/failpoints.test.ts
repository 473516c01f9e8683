import { expect, test } from 'vitest'
import { failpoints, virtualRuntime } from '../../src/testing/index.ts'

test('writes down every failpoint that is passed, in order', async () => {
  const points = failpoints()
  const { failpoint } = virtualRuntime({ failpoint: points.failpoint })
  await failpoint('park:sent')
  await failpoint('commit:sent')
  expect(points.reached).toEqual(['park:sent', 'commit:sent'])
})

test('throws once at the name that was asked for, and nowhere else', async () => {
  const points = failpoints()
  points.throwAt('park:sent')
  const pass = async (name: string): Promise<void> => {
    await points.failpoint(name)
  }
  await pass('commit:sent')
  await expect(pass('park:sent')).rejects.toThrow('failpoint park:sent')
  await pass('park:sent')
})

test('holds whoever passes until released, and tells when somebody stands there', async () => {
  const points = failpoints()
  const hold = points.holdAt('commit:sent')
  let passed = false
  const passing = (async () => {
    await points.failpoint('commit:sent')
    passed = true
  })()
  await hold.reached
  expect(passed).toBe(false)
  hold.release()
  await passing
  await points.failpoint('commit:sent')
})
