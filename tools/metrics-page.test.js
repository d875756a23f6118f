import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { node, root } from './workspace.js'

test('docs/metrics.md is what the code says', () => {
  const tool = join(root, 'tools/metrics-page.js')
  const { status, stderr } = spawnSync(node, ['--conditions=@koi-mcp/source', tool, '--check'], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
})
