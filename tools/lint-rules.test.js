import { ESLint } from 'eslint'
import { beforeAll, expect, test } from 'vitest'
import { environment, node, root, run } from './workspace.js'

// Lint that has been switched off by accident passes in silence: here it has to refuse something.

const eslint = new ESLint({ cwd: root })

/** What lint says of a text that stands in the place of an existing file. */
async function rulesBroken(/** @type {string} */ filePath, /** @type {string} */ text) {
  const results = await eslint.lintText(text, { filePath })
  const rules = results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => ruleId ?? message))
  return [...new Set(rules)].sort()
}

const imports = (/** @type {string} */ name) => `import * as it from '${name}'\n\nexport const used: unknown = it\n`
const BOUNDARY = '@nx/enforce-module-boundaries'

beforeAll(async () => {
  const nx = await run(node, ['node_modules/nx/dist/bin/nx.js', 'show', 'projects'], {
    env: environment(),
    quiet: true,
  })
  expect(nx.code, nx.output).toBe(0)
})

test.each([
  ['libs/protocol/src/index.ts', '@koi-mcp/core'],
  ['libs/protocol/src/index.ts', '@nestjs/common'],
  ['libs/core/src/index.ts', '@nestjs/common'],
  ['libs/core/src/index.ts', '@koi-mcp/platform'],
  ['libs/core/src/index.ts', '@koi-mcp/testing'],
  ['libs/core/src/index.ts', '@modelcontextprotocol/core'],
  ['libs/core/src/index.ts', 'pg'],
  ['libs/backends/src/index.ts', '@nestjs/common'],
  ['libs/backends/src/index.ts', '@koi-mcp/platform'],
  ['libs/mcp/src/index.ts', '@nestjs/common'],
  ['libs/domains/data-catalog/src/index.ts', '@nestjs/common'],
  ['libs/domains/data-catalog/src/index.ts', '@koi-mcp/mcp'],
  ['libs/platform/src/index.ts', '@koi-mcp/data-catalog'],
  ['apps/cli/src/main.ts', '@koi-mcp/coordinator/main'],
  ['apps/mcp-gateway/src/main.ts', '@modelcontextprotocol/sdk/types.js'],
])('%s may not import %s', async (file, name) => {
  expect(await rulesBroken(file, imports(name))).toEqual([BOUNDARY])
})

test.each([
  ['libs/core/src/index.ts', '@koi-mcp/protocol'],
  ['libs/backends/src/index.ts', 'pg'],
  ['libs/mcp/src/index.ts', '@modelcontextprotocol/core'],
  ['libs/platform/src/index.ts', '@nestjs/common'],
  ['apps/mcp-gateway/src/main.ts', '@koi-mcp/mcp'],
  ['apps/producer/src/main.ts', '@koi-mcp/data-catalog'],
])('%s may import %s', async (file, name) => {
  expect(await rulesBroken(file, imports(name))).toEqual([])
})

test('promises are awaited, switches complete, and async functions await', async () => {
  const text = `
const later = (): Promise<number> => Promise.resolve(1)
export function floating(): void {
  later()
}
export function misused(): void {
  setTimeout(later, 1)
  if (later()) return
}
export function open(kind: 'NEW' | 'FORGET'): number {
  switch (kind) {
    case 'NEW':
      return 1
  }
  return 0
}
export async function idle(): Promise<number> {
  return 1
}
`
  expect(await rulesBroken('libs/core/src/index.ts', text)).toEqual([
    '@typescript-eslint/no-floating-promises',
    '@typescript-eslint/no-misused-promises',
    '@typescript-eslint/require-await',
    '@typescript-eslint/switch-exhaustiveness-check',
  ])
})
