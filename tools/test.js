// npm test: everything that has to hold, in a fresh clone too. `npm test -- lint unit` runs those parts alone.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { failuresOf, failureText } from './failures.js'
import { unhandledFile } from './unhandled-reporter.js'
import { compile, elapsed, environment, install, node, root, run, say, showing } from './workspace.js'

/** @typedef {import('./failures.js').Failure} Failure */
/** @typedef {{ passed: number, failures: Failure[], skipped: number, why?: string | undefined }} Counts */

const CI = process.env.CI === 'true'
const RESULTS = join(root, 'test-results')
const bin = (/** @type {string} */ path) => join(root, 'node_modules', path)

/**
 * A check passes or fails as a whole; only its failure counts among the tests.
 *
 * @returns {Promise<Counts>}
 */
async function check(/** @type {ReturnType<typeof run>} */ work) {
  const { code, output } = await work
  if (code === 0) return { passed: 0, failures: [], skipped: 0 }
  process.stdout.write(`${output.trimEnd()}\n`)
  return { passed: 0, failures: [{ what: `ended with code ${code}`, why: output }], skipped: 0 }
}

/**
 * A command that counts as one test.
 *
 * @returns {Promise<Counts>}
 */
async function program(/** @type {string[]} */ args, /** @type {NodeJS.ProcessEnv} */ extra = {}) {
  const { code } = await run(node, ['--conditions=@koi-mcp/source', ...args], { env: { ...environment(), ...extra } })
  if (code === 0) return { passed: 1, failures: [], skipped: 0 }
  const why = `ended with code ${code}: its output stands above`
  return { passed: 0, failures: [{ what: args.join(' '), why }], skipped: 0 }
}

/** @returns {Counts} */
const sum = (/** @type {Counts[]} */ ...parts) => ({
  passed: parts.reduce((total, { passed }) => total + passed, 0),
  failures: parts.flatMap(({ failures }) => failures),
  skipped: parts.reduce((total, { skipped }) => total + skipped, 0),
  why: parts.find(({ why }) => why !== undefined)?.why,
})

const tool = (/** @type {string} */ path, /** @type {string[]} */ ...args) =>
  run(node, [bin(path), ...args], { env: environment(), quiet: true })

async function lint() {
  // The boundary rule reads Nx's project graph, and is silent without one.
  const graph = await tool('nx/dist/bin/nx.js', 'show', 'projects')
  return check(graph.code === 0 ? tool('eslint/bin/eslint.js', '--max-warnings=0', '.') : Promise.resolve(graph))
}

/** Runs Vitest on a folder and adds up what its report says. */
async function vitest(
  /** @type {string} */ name,
  /** @type {string} */ folder,
  /** @type {NodeJS.ProcessEnv} */ extra = {},
) {
  const report = join(RESULTS, `${name}.json`)
  const args = [
    'run',
    '--root',
    join(root, folder),
    '--reporter=default',
    '--reporter=json',
    `--reporter=${join(root, 'tools/unhandled-reporter.js')}`,
    `--outputFile.json=${report}`,
  ]
  say(`${name}…`)
  // Where a setup writes what it cannot run here, a line each.
  const skipped = join(RESULTS, `${name}.skipped.txt`)
  const env = { ...environment(), TEST_SKIPPED_FILE: skipped, ...extra }
  const { code } = await run(node, [bin('vitest/vitest.mjs'), ...args], { env })
  const why = existsSync(skipped) ? readFileSync(skipped, 'utf8').trim().replaceAll('\n', '; ') : undefined
  /** @type {Counts} */
  const counts = { passed: 0, failures: [], skipped: 0, why }
  if (existsSync(report)) {
    const read = JSON.parse(readFileSync(report, 'utf8'))
    counts.passed = read.numPassedTests
    counts.skipped = read.numPendingTests + read.numTodoTests
    counts.failures = failuresOf(read, JSON.parse(readFileSync(unhandledFile(report), 'utf8')), root)
  }
  if (code !== 0 && counts.failures.length === 0)
    counts.failures.push({ what: `ended with code ${code}`, why: why ?? 'no test of it failed: what did stands above' })
  return counts
}

/**
 * The Python that has the reference implementation; why there is none, else.
 *
 * @returns {Promise<{ python: string } | { python?: undefined, why: string, wrong: boolean }>}
 */
async function reference() {
  const given = process.env.KOI_NET_PYTHON || undefined
  const python = given ?? join(root, '.venv-koi-net/bin/python')
  const { code } = await run(python, ['-c', 'import koi_net, koi_net_coordinator_node'], { quiet: true }).catch(() => ({
    code: 1,
  }))
  if (code === 0) return { python }
  const why = given
    ? `KOI_NET_PYTHON=${given} cannot import koi_net and koi_net_coordinator_node`
    : 'no Python with the reference (interop/requirements.txt): .ci/run makes one at .venv-koi-net, or set KOI_NET_PYTHON'
  return { why, wrong: given !== undefined }
}

/** @returns {Promise<Counts>} */
async function interop() {
  const found = await reference()
  if (found.python === undefined)
    return CI || found.wrong
      ? { passed: 0, failures: [{ what: 'could not run', why: found.why }], skipped: 0 }
      : { passed: 0, failures: [], skipped: 1, why: found.why }
  const extra = { KOI_NET_PYTHON: found.python }
  const [tests, differential] = await Promise.all([
    vitest('interop', 'interop', extra),
    program(['interop/differential.ts', '--count', '20000'], extra),
  ])
  return sum(tests, differential)
}

/** That the benchmark works; `npm run bench` is what measures. */
async function bench() {
  const { python } = await reference()
  return vitest('bench', 'bench', python ? { KOI_NET_PYTHON: python } : {})
}

/** The same cases every time; `npm run fuzz` makes others. */
async function fuzz() {
  const tests = await vitest('fuzz', 'fuzz')
  return sum(tests, await program(['fuzz/main.ts', '--count', '5000', '--seed', '1']))
}

const counted = (/** @type {number} */ passed, /** @type {number} */ failed, /** @type {number} */ skipped) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`

/**
 * Each keeps one processor busy and needs nothing of the others: they go side by side.
 *
 * @type {Record<string, () => Promise<Counts>>}
 */
const CHECKS = {
  format: () => check(tool('prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.')),
  lint,
  knip: () => check(tool('knip/bin/knip.js', '--no-progress', '--no-config-hints')),
  build: () => check(compile()),
}

/** @type {Record<string, () => Promise<Counts>>} */
const PARTS = {
  ...CHECKS,
  unit: () => vitest('unit', '.'),
  interop,
  e2e: () => vitest('e2e', 'e2e'),
  chart: () => vitest('chart', 'helm/tests'),
  fuzz,
  bench,
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in PARTS))
if (unknown.length > 0) {
  say(`npm test has no part '${unknown.join("', '")}'. Its parts: ${Object.keys(PARTS).join(', ')}`)
  process.exit(2)
}
const start = performance.now()
await install()
rmSync(RESULTS, { recursive: true, force: true })
mkdirSync(RESULTS)

/** @type {string[]} */
const summary = []
/** @type {string[]} */
const failed = []
const total = { passed: 0, skipped: 0 }
/** @returns {Promise<Counts & { time: string }>} */
async function timed(/** @type {() => Promise<Counts>} */ part) {
  const since = performance.now()
  return { ...(await part()), time: elapsed(since) }
}

const isWanted = (/** @type {string} */ name) => wanted.length === 0 || wanted.includes(name)
const checks = Object.entries(CHECKS).filter(([name]) => isWanted(name))
const checking = checks.map(async ([name, part]) => /** @type {const} */ ([name, await timed(part)]))
const names = checks.map(([name]) => name).join(', ')
const checked = new Map(checks.length > 0 ? await showing(names, Promise.all(checking)) : [])
for (const [name, part] of Object.entries(PARTS)) {
  if (!isWanted(name)) continue
  const { passed, failures, skipped, why, time } = checked.get(name) ?? (await timed(part))
  const [state, tests] = [
    failures.length > 0 ? 'FAILED' : passed > 0 ? 'passed' : skipped > 0 ? 'SKIPPED' : 'ok',
    passed + failures.length + skipped > 0 ? `  ${counted(passed, failures.length, skipped)}` : '',
  ]
  summary.push(
    [name.padEnd(8), state.padEnd(8), time.padStart(8), tests, why === undefined ? '' : ` (${why})`].join(''),
  )
  failed.push(...failures.map((failure) => failureText(name, failure)))
  total.passed += passed
  total.skipped += skipped
}
process.stdout.write(`\n${summary.join('\n')}\nin ${elapsed(start)}\n\n`)
// Named once more here, for a log may be cut to its end.
if (failed.length > 0) process.stdout.write(`Failed:\n\n${failed.join('\n\n')}\n\n`)
process.stdout.write(`${counted(total.passed, failed.length, total.skipped)}\n`)
process.exitCode = failed.length > 0 ? 1 : 0
