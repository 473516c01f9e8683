import { cpus, totalmem } from 'node:os'
import { readFileSync } from 'node:fs'

/** What the figures were measured on. */
export function machine(): { cpu: string; cores: number; memoryGb: number } {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30) }
}

/** The versions that the figures are about. */
export function versions(kafka: string): Record<string, string> {
  return { node: process.version.slice(1), holdfast: versionOf('.'), kafkajs: versionOf('node_modules/kafkajs'), kafka }
}

function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { version: string }).version
}
