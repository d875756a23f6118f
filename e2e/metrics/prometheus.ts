import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../faults/network.ts'
import { eventually } from '../koi-mcp.ts'

/** Where `.ci/run` unpacks Debian's package: no service is installed with it. */
const UNPACKED = fileURLToPath(new URL('../../.prometheus/usr/bin', import.meta.url))
const WHY =
  'the tests of metrics and alerts need Prometheus on this machine: install it (Debian: apt-get install prometheus), or let .ci/run unpack it'

/** The program; `undefined` where there is none, which is said once for the summary of `npm test`. @throws Error in CI */
export function findPrometheus(): string | undefined {
  const folders = [UNPACKED, ...(process.env['PATH'] ?? '').split(delimiter)]
  const program = folders.map((folder) => join(folder, 'prometheus')).find((path) => existsSync(path))
  if (program !== undefined) return program
  process.stderr.write(`e2e: ${WHY}\n`)
  const { TEST_SKIPPED_FILE, CI } = process.env
  if (TEST_SKIPPED_FILE) appendFileSync(TEST_SKIPPED_FILE, `${WHY}\n`)
  if (CI === 'true') throw new Error(WHY)
  return undefined
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [at: number, value: string]
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}

/** A Prometheus of the test's own, that scrapes each second. */
export class Prometheus {
  readonly #process: ChildProcess
  readonly #url: string

  private constructor(child: ChildProcess, url: string) {
    this.#process = child
    this.#url = url
  }

  /** @param targets host and port of each server of metrics */
  static async start(program: string, folder: string, targets: readonly string[], rules: string): Promise<Prometheus> {
    await writeFile(join(folder, 'rules.yaml'), rules)
    const job = { job_name: 'koi-mcp', static_configs: [{ targets }] }
    const every = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }
    // JSON is YAML.
    const config = join(folder, 'prometheus.yaml')
    await writeFile(config, JSON.stringify({ global: every, rule_files: ['rules.yaml'], scrape_configs: [job] }))
    const address = `127.0.0.1:${await freePort()}`
    const storage = `--storage.tsdb.path=${join(folder, 'prometheus')}`
    const child = spawn(program, [`--config.file=${config}`, storage, `--web.listen-address=${address}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const said: Buffer[] = []
    child.stderr.on('data', (text: Buffer) => said.push(text))
    const prometheus = new Prometheus(child, `http://${address}`)
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended:\n${Buffer.concat(said).toString()}`)
      const answer = await fetch(`http://${address}/-/ready`).catch(() => undefined)
      return answer?.ok === true ? true : undefined
    })
    return prometheus
  }

  /** What the expression is now. @throws Error for one that Prometheus refuses, saying why */
  async query(expression: string): Promise<readonly Sample[]> {
    const { result } = await this.#get<{ result: readonly Sample[] }>('query', { query: expression })
    return result
  }

  async firing(): Promise<readonly Alert[]> {
    const { alerts } = await this.#get<{ alerts: readonly Alert[] }>('alerts', {})
    return alerts.filter(({ state }) => state === 'firing')
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return
    this.#process.kill('SIGKILL')
    await once(this.#process, 'exit')
  }

  async #get<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`)
    const answer = (await response.json()) as { status: string; error?: string; data: T }
    if (answer.status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${answer.error ?? ''}`)
    return answer.data
  }
}
