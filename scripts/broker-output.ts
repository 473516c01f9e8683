import type { Services } from './services/index.ts'

/** Prints where the services answer: for people with lines to copy, or as one line of JSON. */
export function printAddresses(services: Services, json: boolean): void {
  process.stdout.write(json ? `${JSON.stringify(addresses(services))}\n` : forPeople(services))
}

function addresses({ kafka, postgres, redis }: Services): Readonly<Record<string, unknown>> {
  return {
    brokers: kafka?.brokers ?? [],
    ...(postgres === undefined ? {} : { postgres: postgres.url }),
    ...(redis === undefined ? {} : { redis: redis.url }),
  }
}

function forPeople({ kafka, postgres, redis }: Services): string {
  const rows = [
    ...(kafka === undefined ? [] : [['Kafka', kafka.brokers.join(','), kafka.how, 'KAFKA_BROKERS']]),
    ...(postgres === undefined ? [] : [['PostgreSQL', postgres.url, postgres.how, 'DATABASE_URL']]),
    ...(redis === undefined ? [] : [['Redis', redis.url, redis.how, 'REDIS_URL']]),
  ]
  const width = Math.max(...rows.map(([, address = '']) => address.length))
  const table = rows.map(([name = '', address = '', how]) => `  ${name.padEnd(11)} ${address.padEnd(width)}  (${how})`)
  const exports = rows.map(([, address, , variable]) => `export ${variable}=${address}`)
  return `\n${table.join('\n')}\n\n${exports.join('\n')}\n\nCtrl-C stops everything.\n`
}
