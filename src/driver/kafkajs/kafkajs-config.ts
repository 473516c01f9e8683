import type { KafkaConfig, RetryOptions } from 'kafkajs'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'

/**
 * Checks what can be seen of a kafkajs configuration, and of what the driver is given beside it, without a connection. Names options,
 * never repeats their values.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem at once
 */
export function checkKafkajsConfig(config: KafkaConfig, beside: object = {}): void {
  const problems: Problem[] = []
  const given: Readonly<Record<string, unknown>> = isObject(config) ? config : {}
  checkBrokers(given['brokers'], problems)
  checkSasl(given['sasl'], problems)
  const ssl = given['ssl']
  if (ssl !== undefined && typeof ssl !== 'boolean' && !isObject(ssl)) {
    problems.push({ path: 'ssl', message: 'true, false, or the options of tls.connect' })
  }
  if (given['clientId'] !== undefined && !isText(given['clientId'])) {
    problems.push({ path: 'clientId', message: 'a text that is not empty' })
  }
  for (const name of ['socketFactory', 'logCreator']) {
    if (given[name] !== undefined && typeof given[name] !== 'function')
      problems.push({ path: name, message: 'a function' })
  }
  for (const name of ['connectionTimeout', 'authenticationTimeout', 'requestTimeout', 'reauthenticationThreshold']) {
    checkNumber(name, given[name], 1, problems)
  }
  const retry = given['retry']
  if (retry !== undefined && !isObject(retry)) problems.push({ path: 'retry', message: 'an object' })
  if (isObject(retry)) {
    for (const name of ['maxRetryTime', 'initialRetryTime', 'factor', 'multiplier', 'retries']) {
      checkNumber(`retry.${name}`, retry[name], 0, problems)
    }
  }
  refuseUnknown('', given, OPTIONS, problems) // kafkajs passes over a misspelt name in silence
  if (isObject(retry)) refuseUnknown('retry.', retry, RETRY_OPTIONS, problems)
  refuseUnknown('', beside, { codecs: true }, problems)
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the kafkajs configuration does not fit', { problems })
}

const OPTIONS: Readonly<Record<keyof KafkaConfig, true>> = {
  brokers: true,
  ssl: true,
  sasl: true,
  clientId: true,
  connectionTimeout: true,
  authenticationTimeout: true,
  reauthenticationThreshold: true,
  requestTimeout: true,
  enforceRequestTimeout: true,
  retry: true,
  socketFactory: true,
  logLevel: true,
  logCreator: true,
}
const RETRY_OPTIONS: Readonly<Record<keyof RetryOptions, true>> = {
  maxRetryTime: true,
  initialRetryTime: true,
  factor: true,
  multiplier: true,
  retries: true,
  restartOnFailure: true,
}

function refuseUnknown(prefix: string, given: object, known: object, problems: Problem[]): void {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(known, name)) problems.push({ path: `${prefix}${name}`, message: 'is not an option' })
  }
}

function checkBrokers(brokers: unknown, problems: Problem[]): void {
  if (typeof brokers === 'function') return
  if (!Array.isArray(brokers) || brokers.length === 0) {
    problems.push({
      path: 'brokers',
      message: "one address or more (['localhost:9092']), or a function that returns them",
    })
    return
  }
  for (const [i, broker] of brokers.entries()) {
    const port = typeof broker === 'string' ? /^[^\s:/@[\]]+:(\d{1,5})$/.exec(broker)?.[1] : undefined
    if (port === undefined || Number(port) > 65_535 || Number(port) === 0) {
      // kafkajs cuts at the first colon: no IPv6 literals, no URLs.
      problems.push({
        path: `brokers[${i}]`,
        message: 'host:port, without a protocol; an IPv6 literal needs a host name',
      })
    }
  }
}

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  plain: ['username', 'password'],
  'scram-sha-256': ['username', 'password'],
  'scram-sha-512': ['username', 'password'],
  aws: ['authorizationIdentity', 'accessKeyId', 'secretAccessKey'],
}

function checkSasl(sasl: unknown, problems: Problem[]): void {
  if (sasl === undefined) return
  if (!isObject(sasl) || !isText(sasl['mechanism'])) {
    problems.push({ path: 'sasl.mechanism', message: 'the name of a SASL mechanism' })
    return
  }
  if (sasl['authenticationProvider'] !== undefined) {
    if (typeof sasl['authenticationProvider'] === 'function') return
    problems.push({ path: 'sasl.authenticationProvider', message: 'a function' })
    return
  }
  const mechanism = sasl['mechanism'].toLowerCase()
  if (mechanism === 'oauthbearer') {
    if (typeof sasl['oauthBearerProvider'] !== 'function') {
      problems.push({ path: 'sasl.oauthBearerProvider', message: 'a function that returns { value: token }' })
    }
    return
  }
  const needed = NEEDED[mechanism]
  if (needed === undefined) {
    const known = [...Object.keys(NEEDED), 'oauthbearer'].join(', ')
    problems.push({ path: 'sasl.mechanism', message: `one of ${known}, or an authenticationProvider with it` })
    return
  }
  for (const name of needed) {
    if (!isText(sasl[name])) problems.push({ path: `sasl.${name}`, message: 'a text that is not empty' })
  }
}

function checkNumber(path: string, value: unknown, least: number, problems: Problem[]): void {
  if (value === undefined) return
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least) {
    problems.push({ path, message: `a number of ${least} or more` })
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
