import { expect, test } from 'vitest'
import type { Incident } from '../../scripts/demo/incidents.ts'
import type { Scene, Trouble } from '../../scripts/demo/troubles/index.ts'
import { beside, onceStruck } from '../../scripts/demo/troubles/index.ts'

const KILLED: Incident = { kind: 'killed', service: 'payment', process: 1, mostInHandlers: 8, atMs: 0 }

/** A trouble that strikes, and is made good, when it is told to; and what was done, in order. */
function setup(): {
  readonly told: string[]
  readonly trouble: Trouble
  readonly other: Trouble['run']
  readonly scene: Scene
  readonly strike: () => void
  readonly mend: (error?: Error) => void
} {
  const told: string[] = []
  let strike!: () => void
  let mend!: (error?: Error) => void
  const struck = new Promise<void>((resolve) => (strike = resolve))
  const mended = new Promise<void>((resolve, reject) => {
    mend = (error) => (error === undefined ? resolve() : reject(error))
  })
  return {
    told,
    trouble: {
      after: 0.5,
      async run({ note }) {
        await Promise.race([struck, mended])
        note(KILLED)
        await mended
        told.push('mended')
      },
    },
    other: async () => void told.push('other'),
    scene: { note: (incident: Incident) => told.push(incident.kind) } as unknown as Scene,
    strike,
    mend,
  }
}
const turn = (): Promise<void> => new Promise(setImmediate)

test('another trouble beside one begins at once, and both have to end', async () => {
  const { told, trouble, other, scene, mend } = setup()
  const both = beside(trouble, other)
  expect(both.after).toBe(0.5)
  const run = both.run(scene)
  await turn()
  expect(told).toEqual(['other'])
  mend()
  await run
  expect(told).toEqual(['other', 'killed', 'mended'])
})

test('another trouble that waits for the strike begins then, while the first is made good, and the audit hears of the strike', async () => {
  const { told, trouble, other, scene, strike, mend } = setup()
  const run = onceStruck(trouble, other).run(scene)
  await turn()
  expect(told).toEqual([])
  strike()
  await turn()
  expect(told).toEqual(['killed', 'other'])
  mend()
  await run
  expect(told).toEqual(['killed', 'other', 'mended'])
})

test('a trouble that fails before it has struck fails both, and the other one does not begin', async () => {
  const { told, other, scene } = setup()
  const failing: Trouble = { after: 0.5, run: () => Promise.reject(new Error('did not come up')) }
  await expect(onceStruck(failing, other).run(scene)).rejects.toThrow('did not come up')
  expect(told).toEqual([])
})
