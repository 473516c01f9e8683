// Builds dist/ from src/: emptied first, so that a file that left src/ never lingers in the package.
import { rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
process.exit(status ?? 1)
