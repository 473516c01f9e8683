import assert from 'node:assert/strict'
import type { ProduceOutcome } from '../../driver/index.ts'
import type { ErrorCode } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { InboundRecord } from '../../record/index.ts'
import type { Member } from './member.ts'

/** Holds an outcome to its promise: nothing was written, for this reason. */
export function assertRefused(outcomes: readonly ProduceOutcome[], code?: ErrorCode): void {
  for (const outcome of outcomes) {
    assert.ok(!outcome.ok, 'a record was acknowledged that should have been refused')
    assert.ok(HoldfastError.is(outcome.error), 'an outcome is no HoldfastError')
    if (code === undefined) assert.notEqual(outcome.error.code, 'HOLDFAST_INDETERMINATE')
    else assert.equal(outcome.error.code, code)
  }
}

/** Holds a rejection to its code. */
export async function assertRejects(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(HoldfastError.is(error), `no HoldfastError: ${String(error)}`)
    assert.equal(error.code, code)
    return true
  })
}

/** The values of records as text. */
export function values(records: readonly InboundRecord[]): string[] {
  return records.map(({ value }) => (value === null ? 'null' : Buffer.from(value).toString()))
}

/** The offsets that a member has heard of a partition, in the order of delivery. */
export function offsetsOf(member: Member, partition: number): bigint[] {
  return member.of(partition).map(({ offset }) => offset)
}

/** The offsets from `from` on, below `end`. */
export function upTo(end: number, from = 0): bigint[] {
  return Array.from({ length: end - from }, (_, i) => BigInt(i + from))
}
