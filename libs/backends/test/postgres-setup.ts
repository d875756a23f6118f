import type { TestProject } from 'vitest/node'
import { findPostgres, PostgresServer } from '@koi-mcp/testing'

declare module 'vitest' {
  interface ProvidedContext {
    /** A server that all tests share, each in schemas of its own; empty where none can be had. */
    postgresUrl: string
    /** The folder with Postgres' programs, for tests that stop their server; empty where there is none. */
    postgresBinaries: string
  }
}

/** One server for the run: `DATABASE_URL`, or one that is started here. Without any, the tests are skipped, but fail in CI. */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const { CI, DATABASE_URL: given = '', PATH = '' } = process.env
  const binaries = findPostgres(PATH)
  project.provide('postgresBinaries', binaries ?? '')
  if (binaries === undefined) {
    const missing = 'no Postgres on this machine: install it (Debian: apt-get install postgresql), or set DATABASE_URL'
    if (CI === 'true' && given === '') throw new Error(missing)
    process.stderr.write(
      `backends: ${missing}. Tests that start and stop a server are skipped${given === '' ? ', and all others' : ''}\n`,
    )
  }
  const server = binaries === undefined || given !== '' ? undefined : await PostgresServer.start(binaries)
  project.provide('postgresUrl', server?.url ?? given)
  return () => server?.remove() ?? Promise.resolve()
}
