import { logLevel } from 'kafkajs'
import type { KafkaConfig, LogEntry, logCreator } from 'kafkajs'
import type { Logger } from '../../logger/index.ts'

/** Fields that kafkajs logs and that say where and how often; `data`, `payload` and `stack` may hold bytes of records. */
const FIELDS = [
  'broker',
  'clientId',
  'groupId',
  'memberId',
  'topic',
  'partition',
  'correlationId',
  'retryCount',
  'error',
]

/**
 * kafkajs' log lines, as lines of a {@link Logger}: a fixed list of fields, and every secret of the configuration cut out
 * of the text.
 */
export function bridgeLogs(logger: Logger, config: Pick<KafkaConfig, 'sasl' | 'ssl'>): logCreator {
  const redact = redactor(config)
  return () => (entry) => write(logger, entry, redact)
}

function write(logger: Logger, { namespace, level, log }: LogEntry, redact: (text: string) => string): void {
  const fields: Record<string, string | number> = { client: 'kafkajs' }
  if (namespace !== '') fields['namespace'] = namespace
  for (const name of FIELDS) {
    const value: unknown = log[name]
    if (typeof value === 'number') fields[name] = value
    else if (typeof value === 'string') fields[name] = redact(value)
  }
  const message = redact(String(log.message))
  if (isExpected(fields, message)) logger.debug(fields, message)
  // To kafkajs every failed attempt is an error. What fails for good is told by an outcome or an error of ours.
  else if (level === logLevel.ERROR || level === logLevel.WARN) logger.warn(fields, message)
  else if (level === logLevel.INFO) logger.info(fields, message)
  else logger.debug(fields, message)
}

/** The next transaction of a producer meets the end of its last one most of the time, and asks again. */
function isExpected(fields: Readonly<Record<string, unknown>>, message: string): boolean {
  const concurrent = 'another concurrent operation on the same transaction'
  return message.includes(concurrent) || String(fields['error']).includes(concurrent)
}

function redactor({ sasl, ssl }: Pick<KafkaConfig, 'sasl' | 'ssl'>): (text: string) => string {
  const secrets = [sasl, ssl].flatMap((part) => secretsOf(part))
  return (text) => secrets.reduce((cleaned, secret) => cleaned.replaceAll(secret, '[secret]'), text)
}

function secretsOf(part: unknown): readonly string[] {
  if (typeof part !== 'object' || part === null) return []
  const named = part as Record<string, unknown>
  const values = ['password', 'secretAccessKey', 'sessionToken', 'passphrase', 'key'].map((name) => named[name])
  return values.filter((value) => typeof value === 'string' && value.length > 0) as string[]
}
