import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeFolder, removeFolder, startChild } from './child.ts'
import type { RunningKafka } from './kafka.ts'
import { hasCoordinator } from './kafka-probe.ts'
import { freePorts } from './ports.ts'
import type { Progress } from './services.ts'

// Not run by this project's own checks, whose machines have no Docker daemon: kept as small as can be for that reason.

const run = promisify(execFile)
const IMAGE = 'apache/kafka:4.3.1'
const READY_WITHIN_MS = 300_000 // the image may have to be pulled first

/** Does a Docker daemon answer quickly? */
export async function dockerAnswers(): Promise<boolean> {
  return run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 3_000 }).then(
    () => true,
    () => false,
  )
}

/** Runs one Kafka node in a container. @throws Error when it is not ready within five minutes. */
export async function startDockerKafka(progress: Progress): Promise<RunningKafka> {
  const [port = 0] = await freePorts(1)
  const name = `holdfast-kafka-${process.pid}-${port}`
  const environment = {
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
  }
  const variables = Object.entries(environment).flatMap(([key, value]) => ['-e', `${key}=${value}`])
  const folder = await makeFolder('docker')
  const child = await startChild({
    command: 'docker',
    args: ['run', '--rm', '--name', name, '-p', `127.0.0.1:${port}:9092`, ...variables, IMAGE],
    folder,
    lastWords: `docker rm -f ${name}`, // killing the docker command leaves the container running
  })
  const close = async (): Promise<void> => {
    await run('docker', ['rm', '-f', name]).catch(() => undefined)
    await child.stop('SIGTERM', 5_000)
    await removeFolder(folder)
  }

  progress(`kafka: starting ${IMAGE} in Docker`)
  const deadline = Date.now() + READY_WITHIN_MS
  while (!(await hasCoordinator(port, 'group').catch(() => false))) {
    if (child.exit !== undefined || Date.now() > deadline) {
      const tail = await child.logTail()
      await close()
      throw new Error(`Kafka in Docker did not become ready:\n${tail}`)
    }
    await sleep(100)
  }
  return { brokers: [`127.0.0.1:${port}`], how: 'docker', nodes: [], close }
}
