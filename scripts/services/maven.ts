import { execFile, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { Progress } from './services.ts'

const run = promisify(execFile)
const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

/** One artifact of Maven Central. */
export interface Artifact {
  readonly group: string
  readonly name: string
  readonly version: string
}

/** The major version of the `java` on the PATH, `undefined` when there is none. */
export async function javaVersion(): Promise<number | undefined> {
  // `java -version` prints to stderr, as `openjdk version "17.0.15" …` or, before Java 9, `"1.8.0_…"`.
  const { stderr } = await run('java', ['-version']).catch(() => ({ stderr: '' }))
  const version = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1]
  return version === undefined ? undefined : Number(version)
}

/** Is there an `mvn` that runs? */
export async function hasMaven(): Promise<boolean> {
  return run('mvn', ['-v']).then(
    () => true,
    () => false,
  )
}

/**
 * Copies artifacts and all they need at run time into `folder`, by Maven's own mirrors, proxies and checksums.
 *
 * @throws Error with the end of Maven's output.
 */
export async function copyJars(artifacts: readonly Artifact[], folder: string, progress: Progress): Promise<void> {
  await maven(artifacts, folder, ['copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=lib'], progress)
}

/** Unpacks the files that match `includes` (Maven's patterns) out of the artifacts' jars into `folder`. */
export async function unpackJars(
  artifacts: readonly Artifact[],
  folder: string,
  includes: string,
  progress: Progress,
): Promise<void> {
  const options = ['-DexcludeTransitive=true', `-Dmdep.unpack.includes=${includes}`, '-DoutputDirectory=bin']
  await maven(artifacts, folder, ['unpack-dependencies', ...options], progress)
}

async function maven(
  artifacts: readonly Artifact[],
  folder: string,
  [goal = '', ...options]: readonly string[],
  progress: Progress,
): Promise<void> {
  await writeFile(join(folder, 'pom.xml'), pom(artifacts))
  const args = ['-B', '--strict-checksums', `${DEPENDENCY_PLUGIN}:${goal}`, ...options]
  const child = spawn('mvn', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: string[] = []
  let files = 0
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      output.push(line)
      if (!line.includes('Downloaded from') || !line.includes('.jar')) return
      files += 1
      if (files % 10 === 0) progress(`fetched ${files} files`)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`mvn ${goal} ended with code ${code}:\n${output.slice(-25).join('\n')}`)
}

function pom(artifacts: readonly Artifact[]): string {
  const dependencies = artifacts.map(
    ({ group, name, version }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`,
  )
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>holdfast.local</groupId><artifactId>services</artifactId><version>1</version><packaging>pom</packaging>
  <properties><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
  <dependencies>
    ${dependencies.join('\n    ')}
  </dependencies>
</project>
`
}
