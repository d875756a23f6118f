import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openPostgresStore } from '@koi-mcp/backends/postgres'
import { findPostgres, PostgresServer } from '@koi-mcp/testing'
import { freePort } from './faults/network.ts'
import { Command, eventually, place } from './koi-mcp.ts'

const FILES = 40
const DATASET = 'orn:data-catalog.dataset:data/'
const binaries = findPostgres(process.env['PATH'] ?? '')

/** A process of the producer, and how many parts of the folder it last said that it has. */
class Replica {
  readonly command: Command

  constructor(env: Record<string, string>) {
    this.command = new Command(['run', '--role', 'producer'], {
      env: { KOI_MCP_NODE__PORT: '0', KOI_MCP_LOGGING__FORMAT: 'json', KOI_MCP_LOGGING__LEVEL: 'info', ...env },
    })
  }

  get held(): number {
    const lines = this.command.out.filter((line) => line.includes('"msg":"shares of a source"'))
    return (JSON.parse(lines.at(-1) ?? '{"held":0}') as { held: number }).held
  }

  signal(signal: NodeJS.Signals): void {
    this.command.process.kill(signal)
  }
}

/** They have the parts of the folder among them, about as many each. */
const share = (replicas: readonly Replica[]) =>
  eventually(() => {
    const held = replicas.map((replica) => replica.held)
    const isFair = Math.max(...held) - Math.min(...held) <= 1
    return isFair && held.reduce((sum, each) => sum + each, 0) === 12 ? true : undefined
  })

describe.skipIf(binaries === undefined)('a folder of a producer of three processes', () => {
  let database: PostgresServer
  beforeAll(async () => {
    database = await PostgresServer.start(binaries!)
    return () => database.remove()
  })

  test('has each change told once, while one is killed and another sleeps', async () => {
    const at = await place()
    const write = (name: string, rows: number) =>
      writeFile(join(at.data, `${name}.csv`), `x\n${Array.from({ length: rows }, (_, row) => `${row}\n`).join('')}`)
    const writeAll = async (name: string, rows: number) => {
      for (let index = 0; index < FILES; index++) await write(`${name}-${index}`, rows)
    }
    const env = {
      KOI_MCP_NODE__BASE_URL: `http://127.0.0.1:${await freePort()}/koi-net`,
      KOI_MCP_PERSISTENCE__STORAGE_PATH: at.state,
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
      KOI_MCP_PERSISTENCE__POSTGRES_URL: database.url,
      KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER: at.data,
    }
    await writeAll('a', 1)
    const [dies, sleeps, lasts] = [new Replica(env), new Replica(env), new Replica(env)]
    await share([dies, sleeps, lasts])

    const store = await openPostgresStore({ url: database.url, schema: 'koi_producer' })
    const told = async () =>
      (await store.changesAfter(0, 10_000))
        .filter(({ rid }) => rid.startsWith(DATASET))
        .map(({ rid, eventType }) => `${eventType} ${rid.slice(DATASET.length)}`)
        .sort()
    const expected: string[] = []
    const allTold = async (eventType: string, name: string) => {
      for (let index = 0; index < FILES; index++) expected.push(`${eventType} ${name}-${index}.csv`)
      const wanted = JSON.stringify(expected.sort())
      let now = ''
      const look = async () => ((now = JSON.stringify(await told())) === wanted ? true : undefined)
      await eventually(look).catch(() => expect(now).toBe(wanted))
    }
    try {
      await allTold('NEW', 'a')

      dies.signal('SIGKILL')
      await writeAll('a', 2)
      await allTold('UPDATE', 'a')
      await share([sleeps, lasts])

      sleeps.signal('SIGSTOP')
      await writeAll('b', 1)
      await allTold('NEW', 'b')
      await share([lasts])
      sleeps.signal('SIGCONT')
      await share([sleeps, lasts])

      // One that ends gives its share back.
      sleeps.signal('SIGTERM')
      expect(await sleeps.command.exited).toEqual({ code: 0, signal: null })
      await share([lasts])
      for (let index = 0; index < FILES; index++) await rm(join(at.data, `b-${index}.csv`))
      await allTold('FORGET', 'b')
      lasts.signal('SIGTERM')
      expect(await lasts.command.exited).toEqual({ code: 0, signal: null })
      expect(await told()).toEqual(expected)
    } finally {
      await store.close()
    }
  })
})
