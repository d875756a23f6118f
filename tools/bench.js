// npm run bench: installs and builds what is missing, then measures; `npm run bench -- --help`.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, environment, install, node, root, run } from './workspace.js'

await install()
await build(readdirSync(join(root, 'apps')).map((app) => join(root, 'apps', app, 'tsconfig.lib.json')))
const args = ['--conditions=@koi-mcp/source', join(root, 'bench/main.ts'), ...process.argv.slice(2)]
const { code } = await run(node, args, { env: environment() })
process.exitCode = code
