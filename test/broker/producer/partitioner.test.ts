import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { murmur2, partitionOfKey } from '../../../src/record/index.ts'
import { fetchKafka, useKafka } from '../../helpers/services.ts'

test('a key goes where Java’s own client puts it, whatever its bytes and length', async () => {
  const classpath = (await useKafka()).classpath ?? (await fetchKafka(() => undefined)).classpath
  const keys = [
    ...['k1', 'k2', 'order-1', 'a', 'é', '\u{1F600}', 'null'].map((text) => Buffer.from(text)),
    ...Array.from({ length: 70 }, (_, length) => Buffer.alloc(length + 1, 0xff)), // every rest, signed bytes
    ...Array.from({ length: 2_000 }, (_, i) => randomBytes(1 + (i % 40))),
    randomBytes(100_000),
  ]
  const java = spawnSync('java', ['-cp', classpath, 'test/broker/producer/Partitions.java'], {
    input: keys.map((key) => `${key.toString('base64')}\n`).join(''),
    encoding: 'utf8',
  })
  expect(java.stderr).toBe('')
  const theirs = java.stdout.trim().split('\n')
  expect(theirs).toHaveLength(keys.length)
  expect(keys.map((key) => [murmur2(key), ...[1, 6, 50].map((count) => partitionOfKey(key, count))].join(' '))).toEqual(
    theirs,
  )
})
