import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('the example of an embedded network says what its consumer hears, and ends by itself', async () => {
  const example = join(import.meta.dirname, '..', 'examples', 'embedded.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [example], { timeout: 100_000 })
  const heard = stdout.split('\n').filter((line) => line.includes('orn:data-catalog'))
  expect(heard).toEqual([
    'NEW orn:data-catalog.dataset:published/customer_transactions',
    'FORGET orn:data-catalog.dataset:published/customer_transactions',
  ])
})
