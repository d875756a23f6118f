import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Io } from '../io.ts'
import { runningJson } from './announcement.ts'
import { backendSettings } from './backend.ts'
import { logText, readLogLine } from './log-line.ts'
import { checkPorts } from './ports.ts'
import { UpReport } from './report.ts'
import { planService } from './service-plan.ts'

const plan = { port: 7100, state: '/s', data: '/d/1.0', verbose: false }

describe('planService', () => {
  test('gives each role its own name, port and folder, and the first contact', () => {
    expect(
      planService(
        'consumer',
        { ...plan, env: {} },
        { firstContact: { koi_net_url: 'http://127.0.0.1:7100/koi-net', node_rid: 'n' } },
      ),
    ).toEqual({
      role: 'consumer',
      port: 7102,
      env: {
        KOI_MCP_NODE__NAME: 'mcp-gateway',
        KOI_MCP_NODE__HOST: '127.0.0.1',
        KOI_MCP_NODE__PORT: '7102',
        KOI_MCP_PERSISTENCE__STORAGE_PATH: '/s/mcp-gateway',
        KOI_MCP_LOGGING__FORMAT: 'json',
        KOI_MCP_NETWORK__FIRST_CONTACT: 'http://127.0.0.1:7100/koi-net',
        KOI_MCP_NETWORK__FIRST_CONTACT_RID: 'n',
      },
    })
  })

  test('the producer gets the folder as JSON text, so that a folder called 1.0 stays text', () => {
    const { env, port } = planService('producer', { ...plan, port: 0, env: {} })
    expect(env['KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER']).toBe('"/d/1.0"')
    expect(port).toBe(0)
  })

  test("the person's variables pass, but for those that cannot hold for three nodes", () => {
    const env = {
      PATH: '/bin',
      KOI_MCP_NODE__PRIVATE_KEY_PASSWORD: 'p',
      koi_mcp_node__base_url: 'http://x/koi-net',
      KOI_MCP_CONFIG: '/etc/x',
      KOI_MCP_NODE__NAME: 'me',
      KOI_MCP_NETWORK__CONNECT_TIMEOUT: '3',
      UNSET: undefined,
    }
    const coordinator = planService('coordinator', { ...plan, env, verbose: true })
    expect(coordinator.env).toEqual({
      PATH: '/bin',
      KOI_MCP_NODE__PRIVATE_KEY_PASSWORD: 'p',
      KOI_MCP_NETWORK__CONNECT_TIMEOUT: '3',
      KOI_MCP_NODE__NAME: 'coordinator',
      KOI_MCP_NODE__HOST: '127.0.0.1',
      KOI_MCP_NODE__PORT: '7100',
      KOI_MCP_PERSISTENCE__STORAGE_PATH: '/s/coordinator',
      KOI_MCP_LOGGING__FORMAT: 'json',
      KOI_MCP_LOGGING__LEVEL: 'debug',
    })
  })
})

describe('planService for replicas', () => {
  test('gives each a port of its own behind the base URL, and the servers in place of any that the person named', () => {
    const env = {
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'redis',
      koi_mcp_persistence__redis_url_file: '/x',
      KOI_MCP_PERSISTENCE__TTL: '1',
      KOI_MCP_QUEUE__REDIS_URL: 'redis://mine',
    }
    const backend = backendSettings('postgres', { postgres: 'postgres://p', redis: 'redis://r' })
    const baseUrl = 'http://127.0.0.1:7100/koi-net'
    expect(planService('coordinator', { ...plan, env, backend }, { baseUrl })).toEqual({
      role: 'coordinator',
      port: 0,
      env: {
        KOI_MCP_PERSISTENCE__TTL: '1',
        KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
        KOI_MCP_PERSISTENCE__POSTGRES_URL: 'postgres://p',
        KOI_MCP_NODE__NAME: 'coordinator',
        KOI_MCP_NODE__HOST: '127.0.0.1',
        KOI_MCP_NODE__PORT: '0',
        KOI_MCP_NODE__BASE_URL: baseUrl,
        KOI_MCP_PERSISTENCE__STORAGE_PATH: '/s/coordinator',
        KOI_MCP_LOGGING__FORMAT: 'json',
      },
    })
  })
})

describe('log lines', () => {
  test('are read from JSON, and anything else is text', () => {
    const line =
      '{"level":"warn","time":"2026-01-01T00:00:00Z","role":"producer","msg":"no table","path":"a\\u001bb","n":2}'
    expect(readLogLine(line)).toEqual({
      level: 'warn',
      message: 'no table',
      fields: { path: 'a\u001bb', n: 2 },
      structured: true,
    })
    expect(logText(readLogLine(line))).toBe('no table (path a\\u{1b}b, n 2)')
    const repeated = readLogLine('{"level":"warn","msg":"a.csv: no table","path":"a.csv"}')
    expect(logText(repeated)).toBe('a.csv: no table')
    for (const other of ['Segmentation fault', '{"a":1}', '{broken', '{}', '[1]']) {
      expect(readLogLine(other)).toEqual({ level: 'info', message: other, fields: {}, structured: false })
    }
  })
})

describe('checkPorts', () => {
  test('names the port that is taken, whose it is, and the fix', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    await expect(checkPorts(port)).rejects.toThrow(
      `Port ${port}, for the coordinator, is in use by another program. Choose three others with --port N (the first of them), or --port 0 for any that are free.`,
    )
    taken.close()
    await expect(checkPorts(0)).resolves.toBeUndefined()
  })
})

describe('UpReport', () => {
  const recorded = (options: { json?: boolean; verbose?: boolean }) => {
    const out: string[] = []
    const err: string[] = []
    const io: Io = { stdout: { write: (t) => out.push(t) }, stderr: { write: (t) => err.push(t) }, env: {}, cwd: '/' }
    return { report: new UpReport(io, options), out, err }
  }
  const services = [
    {
      role: 'producer',
      name: 'producer',
      pids: [1],
      url: 'u',
      koi_net_url: 'k',
      node_rid: 'orn:koi-net.node:producer+0',
    },
  ] as const
  const event = { kind: 'new', at: 0, rid: 'orn:a.b:c' }
  const warning = { level: 'warn', message: 'no table', fields: {}, structured: true } as const

  test('with --json, standard output holds the ready line and then events, also those that came before it', () => {
    const { report, out, err } = recorded({ json: true })
    report.say('Starting…')
    report.onEvent('producer', event)
    report.onLog('producer', warning)
    report.onLog('producer', {
      level: 'info',
      message: 'catalogued',
      fields: { done: 1200, total: 3000, failed: 2 },
      structured: true,
    })
    report.onLog('producer', { level: 'info', message: 'chatter', fields: {}, structured: true })
    report.ready({ services }, '{"event":"ready"}')
    report.onEvent('producer', { ...event, kind: 'forget', peer: 'orn:koi-net.node:x+1' })
    const same = {
      time: '1970-01-01T00:00:00.000Z',
      role: 'producer',
      node: 'orn:koi-net.node:producer+0',
      rid: 'orn:a.b:c',
    }
    expect(out.map((line): unknown => JSON.parse(line))).toEqual([
      { event: 'ready' },
      { event: 'new', ...same },
      { event: 'forget', ...same, peer: 'orn:koi-net.node:x+1' },
    ])
    expect(err).toEqual([
      'Starting…\n',
      'warn  producer  no table\n',
      'Cataloguing: 1,200 of 3,000 files, 2 of them not readable as tables…\n',
    ])
  })

  test('other processes are told of by a line of their own, behind the ready line', () => {
    const { report, out } = recorded({ json: true })
    const running = { services, servers: { redis: { pid: 7, url: 'redis://r' } } }
    const fewer = { services: [{ ...services[0], pids: [] }], servers: { redis: { url: 'redis://r' } } }
    report.replicas(fewer)
    report.ready(running, runningJson('ready', running))
    report.replicas(running)
    const same = { role: 'producer', name: 'producer', url: 'u', koi_net_url: 'k', node_rid: services[0].node_rid }
    expect(out.map((line): unknown => JSON.parse(line))).toEqual([
      { event: 'ready', services: [{ ...same, pids: [1] }], servers: { redis: { pid: 7, url: 'redis://r' } } },
      { event: 'replicas', services: [{ ...same, pids: [] }], servers: { redis: { url: 'redis://r' } } },
      { event: 'replicas', services: [{ ...same, pids: [1] }], servers: { redis: { pid: 7, url: 'redis://r' } } },
    ])
  })

  test('for people, faults alone go to standard error, and none while stopping', () => {
    const { report, out, err } = recorded({})
    report.ready({ services }, 'ready')
    report.onEvent('producer', event)
    report.onLog('producer', warning)
    report.stopping()
    report.onLog('producer', warning)
    expect(err).toEqual(['warn  producer  no table\n'])
    expect(out[0]).toBe('ready\n')
    expect(out[1]).toMatch(/^\d\d:\d\d:\d\d {2}NEW {5}a\.b:c {2,}producer\n$/u)
    expect(out[2]).toBe('Stopping…\n')
  })
})
