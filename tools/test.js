// npm test: everything that has to hold, in a fresh clone too. `npm test -- lint unit` runs those parts alone.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { compile, elapsed, environment, install, node, root, run, say, showing } from './workspace.js'

/** @typedef {{ passed: number, failed: number, skipped: number, why?: string | undefined }} Counts */

const CI = process.env.CI === 'true'
const RESULTS = join(root, 'test-results')
const bin = (/** @type {string} */ path) => join(root, 'node_modules', path)

/** A check passes or fails as a whole; only its failure counts among the tests. */
async function check(/** @type {string} */ name, /** @type {ReturnType<typeof run>} */ work) {
  const { code, output } = await showing(name, work)
  if (code !== 0) process.stdout.write(`${output.trimEnd()}\n`)
  return { passed: 0, failed: code === 0 ? 0 : 1, skipped: 0 }
}

const tool = (/** @type {string} */ path, /** @type {string[]} */ ...args) =>
  run(node, [bin(path), ...args], { env: environment(), quiet: true })

async function lint() {
  // The boundary rule reads Nx's project graph, and is silent without one.
  const graph = await tool('nx/dist/bin/nx.js', 'show', 'projects')
  return check(
    'lint',
    graph.code === 0 ? tool('eslint/bin/eslint.js', '--max-warnings=0', '.') : Promise.resolve(graph),
  )
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
    `--outputFile.json=${report}`,
  ]
  say(`${name}…`)
  const { code } = await run(node, [bin('vitest/vitest.mjs'), ...args], { env: { ...environment(), ...extra } })
  /** @type {Counts} */
  const counts = { passed: 0, failed: 0, skipped: 0 }
  if (existsSync(report)) {
    const read = JSON.parse(readFileSync(report, 'utf8'))
    counts.passed = read.numPassedTests
    counts.skipped = read.numPendingTests + read.numTodoTests
    // A file that cannot be loaded has no tests to fail: it counts as one.
    const unloaded = read.testResults.filter(
      (/** @type {any} */ file) =>
        file.status === 'failed' && !file.assertionResults.some((/** @type {any} */ test) => test.status === 'failed'),
    )
    counts.failed = read.numFailedTests + unloaded.length
  }
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  return counts
}

/** The Python that has the reference implementation; why there is none, else. */
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

async function interop() {
  const { python, why, wrong } = await reference()
  if (!python)
    return CI || wrong ? { passed: 0, failed: 1, skipped: 0, why } : { passed: 0, failed: 0, skipped: 1, why }
  const extra = { KOI_NET_PYTHON: python }
  const counts = await vitest('interop', 'interop', extra)
  const differential = join(root, 'interop/differential.ts')
  const args = ['--conditions=@koi-mcp/source', differential, '--count', '20000']
  const { code } = await run(node, args, { env: { ...environment(), ...extra } })
  counts[code === 0 ? 'passed' : 'failed']++
  return counts
}

/** That the benchmark works; `npm run bench` is what measures. */
async function bench() {
  const { python } = await reference()
  return vitest('bench', 'bench', python ? { KOI_NET_PYTHON: python } : {})
}

/** The same cases every time; `npm run fuzz` makes others. */
async function fuzz() {
  const counts = await vitest('fuzz', 'fuzz')
  const args = ['--conditions=@koi-mcp/source', join(root, 'fuzz/main.ts'), '--count', '5000', '--seed', '1']
  const { code } = await run(node, args, { env: environment() })
  counts[code === 0 ? 'passed' : 'failed']++
  return counts
}

/** @type {Record<string, () => Promise<Counts>>} */
const PARTS = {
  format: () => check('format', tool('prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.')),
  lint,
  knip: () => check('knip', tool('knip/bin/knip.js', '--no-progress', '--no-config-hints')),
  build: () => check('build', compile()),
  unit: () => vitest('unit', '.'),
  interop,
  e2e: () => vitest('e2e', 'e2e'),
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
const total = { passed: 0, failed: 0, skipped: 0 }
for (const [name, part] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const since = performance.now()
  const counts = await part()
  const state =
    counts.failed > 0
      ? 'FAILED'
      : counts.passed + counts.skipped === 0
        ? 'ok'
        : counts.passed > 0
          ? 'passed'
          : 'SKIPPED'
  const tests =
    counts.passed + counts.failed + counts.skipped > 0
      ? `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`
      : ''
  summary.push(
    [
      name.padEnd(8),
      state.padEnd(8),
      elapsed(since).padStart(8),
      `  ${tests}`,
      counts.why ? ` (${counts.why})` : '',
    ].join(''),
  )
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
}
process.stdout.write(`\n${summary.join('\n')}\nin ${elapsed(start)}\n\n`)
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`)
process.exitCode = total.failed > 0 ? 1 : 0
