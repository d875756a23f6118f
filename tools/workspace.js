// What `npm start` and `npm test` share. Plain JavaScript without dependencies, on Node 18 or newer: it runs in a fresh
// clone, before anything is installed. Progress goes to standard error.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** The pinned Node (npm package `node`), on which the product and its tests run. */
export const node = join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node')

/** @param {string} text */
export const say = (text) => process.stderr.write(`${text}\n`)

/** @param {number} since a `performance.now()` */
export const elapsed = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/**
 * Runs a command to its end. A signal that reaches us reaches it, we wait for it, so that nothing is left behind, and
 * then end with its exit code.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, quiet?: boolean }} [options] quiet: keep the output instead of showing it
 * @returns {Promise<{ code: number, output: string }>} code: 128 + the signal's number where a signal ended it
 */
export function run(command, args, { env = process.env, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    let output = ''
    const child = spawn(command, args, { cwd: root, env, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit' })
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text) => (output += text))
    const heard = new Set()
    const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
    // Once each: npm repeats a Ctrl-C that the terminal has sent to all of us already.
    const forward = (/** @type {NodeJS.Signals} */ signal) =>
      void (heard.has(signal) || (heard.add(signal), child.kill(signal)))
    for (const signal of signals) process.on(signal, forward)
    const settle = () => signals.forEach((signal) => process.off(signal, forward))
    child.once('error', (error) => (settle(), reject(error)))
    child.once('close', (exitCode, signal) => {
      settle()
      const code = exitCode ?? 128 + (signal ? constants.signals[signal] : 0)
      if (heard.size > 0) process.exit(code)
      resolve({ code, output })
    })
  })
}

/**
 * Says what is being done as long as it lasts: a running clock on a terminal, else a line every ten seconds.
 *
 * @template T
 * @param {string} title
 * @param {Promise<T>} work
 * @param {number} [silent] milliseconds in which quick work may finish without a word
 */
export async function showing(title, work, silent = 0) {
  const since = performance.now()
  const terminal = process.stderr.isTTY
  let spoken = false
  const tick = () => {
    if (terminal) process.stderr.write(`\r${title}… ${elapsed(since)} `)
    else say(spoken ? `  … ${elapsed(since)}` : `${title}…`)
    spoken = true
  }
  const first = setTimeout(tick, silent)
  const clock = setInterval(tick, terminal ? 500 : 10_000)
  try {
    return await work
  } finally {
    clearTimeout(first)
    clearInterval(clock)
    if (spoken) process.stderr.write(terminal ? `\r${title}: ${elapsed(since)}   \n` : `  ${elapsed(since)}\n`)
  }
}

/** Ends this process where a step failed, with what the step printed. */
function failed(/** @type {string} */ what, /** @type {{ code: number, output: string }} */ { code, output }) {
  if (code <= 128) say(`${output.trimEnd()}\n\n${what} failed (see above).`)
  process.exit(code)
}

/** Whether node_modules holds what package-lock.json asks for (what other platforms need is marked optional there). */
function installed() {
  if (!existsSync(node)) return false
  try {
    const [wanted, present] = ['package-lock.json', 'node_modules/.package-lock.json'].map(
      (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages,
    )
    return Object.entries(wanted).every(
      ([path, entry]) =>
        path === '' ||
        (present[path]
          ? present[path].version === entry.version && present[path].integrity === entry.integrity
          : entry.optional),
    )
  } catch {
    return false
  }
}

/** Installs the packages unless they are there. */
export async function install() {
  if (installed()) return
  // npm has to run on the machine's own Node: the pinned one lies in the folder that it is about to replace.
  const { npm_node_execpath: hostNode, npm_execpath: npm, PATH = '' } = process.env
  const path = PATH.split(delimiter).filter((folder) => !folder.startsWith(join(root, 'node_modules')))
  const env = { ...process.env, PATH: path.join(delimiter) }
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const [command, prefix] = hostNode && npm ? [hostNode, [npm]] : ['npm', []]
  const result = await showing(
    'Installing packages (about a minute)',
    run(command, [...prefix, ...args], { env, quiet: true }),
  )
  if (result.code !== 0) failed('Installing packages', result)
}

/** The environment in which everything here runs: the pinned Node first, no Nx daemon left behind, nothing sent anywhere. */
export const environment = () => ({
  ...process.env,
  PATH: [join(root, 'node_modules/.bin'), process.env.PATH ?? ''].join(delimiter),
  NX_DAEMON: 'false',
  NX_TUI: 'false',
  // Tests start some thousand processes of the same programs: what is compiled for one serves the next.
  NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile'),
})

/**
 * Builds with TypeScript what has changed.
 *
 * @param {readonly string[]} projects folders or tsconfig files; none: the whole workspace, tests checked too
 */
export const compile = (projects = []) =>
  run(node, [join(root, 'node_modules/typescript/bin/tsc'), '-b', ...projects], { env: environment(), quiet: true })

/** @param {readonly string[]} projects as for `compile` */
export async function build(projects) {
  const result = await showing('Building', compile(projects), 1500)
  if (result.code !== 0) failed('Building', result)
}
