import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../../src/clock/index.ts'
import type { EventBody } from '../history/index.ts'
import { moveWallClock } from './wall-clock.ts'

const HOUR_MS = 3_600_000

test('moves Date and the clock of Holdfast with it, and leaves the monotonic clock and timers alone, as a clock that is set does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-clock-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'consumer-1.clock')
  const told: EventBody[] = []
  const [OwnDate, begunAt] = [Date, performance.now()]
  onTestFinished(moveWallClock(file, { write: (event) => void told.push(event) }))
  expect(Math.abs(Date.now() - OwnDate.now())).toBeLessThan(1_000)
  expect(told).toEqual([])

  writeFileSync(file, String(-HOUR_MS))
  await vi.waitFor(() => expect(told).toEqual([{ f: 'wall-clock', offsetMs: -HOUR_MS }]), { timeout: 5_000 })
  const earlier = OwnDate.now() - HOUR_MS
  for (const now of [Date.now(), new Date().getTime(), Date.parse(Date()), systemClock.now()]) {
    expect(Math.abs(now - earlier)).toBeLessThan(5_000)
  }
  expect(new Date(0)).toEqual(new OwnDate(0))
  expect(new Date(0)).toBeInstanceOf(OwnDate)
  expect(systemClock.monotonic() - begunAt).toBeLessThan(10_000)
})

test('a process that is started while its clock is off begins with it, and its journal says so', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-clock-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'consumer-1.clock')
  writeFileSync(file, String(HOUR_MS))
  const told: EventBody[] = []
  const OwnDate = Date
  onTestFinished(moveWallClock(file, { write: (event) => void told.push(event) }))
  expect(Date.now() - OwnDate.now()).toBeGreaterThan(HOUR_MS - 1_000)
  expect(told).toEqual([{ f: 'wall-clock', offsetMs: HOUR_MS }])
})
