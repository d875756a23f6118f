import { mkdir, mkdtemp } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { rolldown } from 'rolldown'

/** Clients of servers are left as they are: pg makes its classes when it is loaded, in an order that a bundle changes. */
const EXTERNAL = ['pg', 'ioredis', 'vitest']

/** One file of a program and all it imports, in a new folder, which is the caller's: it starts in a third of the time, and hundreds are started. */
export async function bundleProgram(program: string): Promise<{ file: string; folder: string }> {
  const name = `${basename(program, '.ts')}.mjs`
  // Where the program finds its packages.
  const cache = join(dirname(program), '../node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'histories-'))
  const build = await rolldown({
    input: program,
    platform: 'node',
    external: EXTERNAL,
    resolve: { conditionNames: ['@koi-mcp/source', 'node', 'import'] },
    logLevel: 'warn',
  })
  await build.write({ dir: folder, format: 'esm', entryFileNames: name, codeSplitting: false })
  await build.close()
  return { file: join(folder, name), folder }
}
