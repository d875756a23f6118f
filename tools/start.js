// npm start: installs and builds what is missing, then runs `koi-mcp up` with the options given.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, environment, install, node, root, run } from './workspace.js'

// npm that is killed outright passes no signal on: without it the network would run on, unseen, and keep its ports.
const parent = process.ppid
if (process.env.npm_lifecycle_event) {
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    process.kill(process.pid, 'SIGTERM')
  }, 1000).unref()
}

await install()
const apps = readdirSync(join(root, 'apps'))
await build(apps.map((app) => join(root, 'apps', app, 'tsconfig.lib.json')))
const { code } = await run(node, [join(root, 'apps/cli/dist/main.js'), 'up', ...process.argv.slice(2)], {
  env: environment(),
})
process.exitCode = code
