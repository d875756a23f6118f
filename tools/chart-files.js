// npm run chart-files: copies into the chart what has its place elsewhere, for Helm packs nothing from outside of it. The part `chart` of npm test fails
// where the copies are behind.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from './workspace.js'

const filesIn = (/** @type {string} */ folder) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(root, folder, path))
    : []

const text = (/** @type {string} */ path) => readFileSync(path, 'utf8')

/** Folder of the chart → the files that belong into it. */
export const copies = () => ({
  examples: [join(root, 'examples/data/planets.csv')],
  dashboards: filesIn('deploy/grafana').filter((path) => path.endsWith('.json') && 'panels' in JSON.parse(text(path))),
  alerts: filesIn('deploy/prometheus').filter((path) => /\.ya?ml$/.test(path) && /^groups:/m.test(text(path))),
})

/** The path of the copy; every name ends alike, for it is part of an object's. */
export const copyOf = (/** @type {string} */ folder, /** @type {string} */ path) =>
  join(root, 'helm/koi-mcp', folder, basename(path).replace(/\.yml$/, '.yaml'))

if (process.argv[1] === import.meta.filename) {
  for (const [folder, paths] of Object.entries(copies())) {
    rmSync(join(root, 'helm/koi-mcp', folder), { recursive: true, force: true })
    mkdirSync(join(root, 'helm/koi-mcp', folder))
    for (const path of paths) copyFileSync(path, copyOf(folder, path))
  }
}
