import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { cachedFolder } from '../../scripts/services/cached-folder.ts'

const NO_PROCESS = 2 ** 22 + 1 // above Linux's largest process id
const roots: string[] = []
afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true })
})

test('fills the folder once, although several ask for it at the same time', async () => {
  const root = await makeRoot()
  let fills = 0
  const fill = async (folder: string): Promise<void> => {
    fills += 1
    await writeFile(join(folder, 'jar'), 'bytes')
  }
  const folders = await Promise.all([1, 2, 3].map(() => cachedFolder('kafka', fill, () => undefined, root)))

  expect(fills).toBe(1)
  expect(folders).toEqual([join(root, 'kafka'), join(root, 'kafka'), join(root, 'kafka')])
  expect(await readdir(root)).toEqual(['kafka'])
})

test('keeps nothing of a fill that failed, so that half a download never counts as one', async () => {
  const root = await makeRoot()
  const broken = async (folder: string): Promise<void> => {
    await writeFile(join(folder, 'half'), 'byt')
    throw new Error('connection lost')
  }
  await expect(cachedFolder('kafka', broken, () => undefined, root)).rejects.toThrow('connection lost')
  expect(await readdir(root)).toEqual([])

  await cachedFolder(
    'kafka',
    async () => undefined,
    () => undefined,
    root,
  )
  expect(existsSync(join(root, 'kafka', 'half'))).toBe(false)
})

test('takes over the lock and clears the half-filled folder of a process that was killed', async () => {
  const root = await makeRoot()
  await writeFile(join(root, 'kafka.lock'), String(NO_PROCESS))
  await mkdir(join(root, 'kafka.partial-abc'))

  await cachedFolder(
    'kafka',
    (folder) => writeFile(join(folder, 'jar'), 'bytes'),
    () => undefined,
    root,
  )
  expect(await readdir(root)).toEqual(['kafka'])
})

async function makeRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-cache-'))
  roots.push(root)
  return root
}
