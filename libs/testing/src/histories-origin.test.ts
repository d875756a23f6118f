import { openSqliteStore } from '@koi-mcp/core'
import { describeHistories } from './histories-suite.ts'

const { HISTORIES = '5000', HISTORIES_SEED, HISTORIES_PATH } = process.env

describeHistories(
  'SQLite in memory',
  { open: (clock) => openSqliteStore({ path: ':memory:', clock }) },
  {
    authority: 'origin',
    runs: Number(HISTORIES),
    seed: HISTORIES_SEED === undefined ? undefined : Number(HISTORIES_SEED),
    path: HISTORIES_PATH,
  },
)
