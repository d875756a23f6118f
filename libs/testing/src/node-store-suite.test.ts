import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openSqliteStore } from '@koi-mcp/core'
import { describeNodeStore } from './node-store-suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'koi-store-'))
let opened = 0
const path = () => join(folder, `${opened}`, 'knowledge.db')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describeNodeStore('SQLite file', {
  open: (clock) => {
    opened++
    return openSqliteStore({ path: path(), clock })
  },
  reopen: (clock) => openSqliteStore({ path: path(), clock }),
})

describeNodeStore('SQLite in memory', { open: (clock) => openSqliteStore({ path: ':memory:', clock }) })
