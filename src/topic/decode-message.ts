import { describeForeignError, HoldfastError, isInstance } from '../errors/index.ts'
import type { InboundRecord } from '../record/index.ts'
import { formatPosition } from '../record/index.ts'
import { CodecError } from './codec.ts'
import { formatFieldPath, WHOLE_VALUE } from './field-path.ts'
import type { Topic } from './topic.ts'
import type { Validation } from './validate.ts'
import { isPromiseLike, validate } from './validate.ts'

/**
 * Takes a record from its bytes to a value that fits its topic: the output of the schema. Answers at once when the validator does.
 * The record's bytes are not changed, so that it can be parked as it came.
 *
 * @throws (thrown, or rejected by the promise) HOLDFAST_DECODE_FAILED for bytes that are not the codec's, and for a tombstone, which
 * has none; HOLDFAST_SCHEMA_INVALID with every problem by field path. Both for good, but for one case: an asynchronous validator
 * that rejected is `retriable`, since it may have failed over something else than the value.
 */
export function decodeMessage<Output>(
  topic: Pick<Topic<unknown, Output>, 'schema' | 'codec'>,
  record: InboundRecord,
): Output | Promise<Output> {
  const validation = validate(topic, decodeValue(topic, record))
  return isPromiseLike(validation)
    ? validation.then((each) => valueOf(each, record, true))
    : valueOf(validation, record, false)
}

function decodeValue({ codec }: Pick<Topic, 'codec'>, record: InboundRecord): unknown {
  if (record.value === null) {
    throw new HoldfastError(
      'HOLDFAST_DECODE_FAILED',
      `${formatPosition(record)} is a tombstone: it has no value to decode`,
    )
  }
  try {
    return codec.decode(record.value)
  } catch (error) {
    // No cause: the errors of parsers quote what they parse.
    const safe = isInstance(error, CodecError) ? problemOf(error) : `the codec threw ${describeForeignError(error)}`
    throw new HoldfastError(
      'HOLDFAST_DECODE_FAILED',
      `${formatPosition(record)} cannot be decoded as ${codec.contentType}: ${safe}`,
    )
  }
}

function problemOf(error: CodecError): string {
  const path = formatFieldPath(error.path)
  return path === WHOLE_VALUE ? `it ${error.message}` : `${path} ${error.message}`
}

function valueOf<Output>(validation: Validation<Output>, record: InboundRecord, waited: boolean): Output {
  if (validation.kind === 'valid') return validation.value
  throw new HoldfastError('HOLDFAST_SCHEMA_INVALID', `${formatPosition(record)} does not fit the schema of its topic`, {
    problems: validation.problems,
    retriable: validation.kind === 'broken' && waited,
  })
}
