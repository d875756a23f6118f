#!/usr/bin/env node
// Runs the built command on the pinned Node (npm package `node`) where the machine's own is older.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const main = new URL('../dist/main.js', import.meta.url)
const pinned = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url))

if (!existsSync(main)) {
  process.stderr.write('koi-mcp: not built yet. Run "npm ci && npm run build" in the repository first.\n')
  process.exitCode = 1
} else if (Number.parseInt(process.versions.node, 10) >= 24) {
  await import(main.href)
} else if (existsSync(pinned)) {
  const child = spawn(pinned, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code, signal) => (process.exitCode = code ?? (signal === 'SIGKILL' ? 137 : 1)))
} else {
  process.stderr.write(`koi-mcp: needs Node 24 or newer, this is ${process.version}. "npm ci" installs it.\n`)
  process.exitCode = 1
}
