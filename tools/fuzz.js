// npm run fuzz: installs what is missing, then fuzzes the sources; `npm run fuzz -- --help`.
import { join } from 'node:path'
import { environment, install, node, root, run } from './workspace.js'

await install()
const args = ['--conditions=@koi-mcp/source', join(root, 'fuzz/main.ts'), ...process.argv.slice(2)]
const { code } = await run(node, args, { env: environment() })
process.exitCode = code
