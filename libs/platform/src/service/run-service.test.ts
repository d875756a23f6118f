import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Module } from '@nestjs/common'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeNode, NODE_RID } from '../../test/fake-node.ts'
import { runService } from './run-service.ts'
import type { Host, ServiceDefinition } from './run-service.ts'
import { ServiceModule } from './service.module.ts'

@Module({})
class FakeModule {}

/** A process that is told signals by a test. */
class FakeHost extends EventEmitter {
  readonly argv: string[] = ['node', 'main.js']
  readonly pid = 4711
  readonly env: Record<string, string> = { KOI_MCP_NODE__PORT: '0', KOI_MCP_LOGGING__LEVEL: 'error' }
  connected = false
  readonly messages: unknown[] = []
  readonly kills: unknown[] = []
  errors = ''
  readonly stderr = { write: (text: string) => (this.errors += text) }
  send(message: unknown, _handle: unknown, _options: unknown, done: () => void): boolean {
    this.messages.push(message)
    queueMicrotask(done)
    return true
  }
  kill(...call: unknown[]): true {
    this.kills.push(call)
    return true
  }
  disconnect(): void {
    this.connected = false
  }
}

let host: FakeHost
let node: FakeNode
let started: Promise<void>

const run = (change: Partial<ServiceDefinition<FakeNode>> = {}) =>
  runService(
    {
      role: 'producer',
      domains: [],
      createNode: () => node,
      assemble: (service) => ({
        module: { module: FakeModule, imports: [ServiceModule.for(service)] },
        ready: { mcp_url: `${service.url}/mcp` },
      }),
      ...change,
    },
    host as unknown as Host,
  )

beforeEach(() => {
  host = new FakeHost()
  node = new FakeNode()
  started = new Promise((resolve) => (node.start = () => Promise.resolve(resolve())))
})
afterEach(() => {
  // Nothing of a service that has ended is left on its process, but signals, which a second one must find.
  expect(host.eventNames().filter((name) => name === 'disconnect')).toEqual([])
})

describe('runService', () => {
  it('runs until a signal asks it to end, and drains', async () => {
    const ended = run()
    await started
    host.emit('SIGINT', 'SIGINT')
    expect(await ended).toBe(0)
    expect(node.calls).toEqual([['stop']])
    expect([host.kills, host.messages, host.errors]).toEqual([[], [], ''])
  })

  it('ends at once on a second signal', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    node.stop = async () => void (await promise)
    const ended = run()
    await started
    host.emit('SIGTERM', 'SIGTERM')
    host.emit('SIGTERM', 'SIGTERM')
    expect(host.kills).toEqual([[4711, 'SIGTERM']])
    expect(host.listenerCount('SIGTERM')).toBe(0)
    resolve(undefined)
    await ended
  })

  it('tells its parent when it is ready and what happens, leaves Ctrl-C to it, and goes when it is gone', async () => {
    host.connected = true
    const ended = run()
    await started
    host.emit('SIGINT', 'SIGINT')
    const event = {
      at: '1970-01-01T00:00:01.000Z',
      event: 'FORGET',
      rid: 'orn:a.b:c',
      ridType: 'orn:a.b',
      about: 'knowledge',
    } as const
    node.tell(event)
    await expect.poll(() => host.messages.length).toBe(2)
    expect(host.messages).toEqual([
      { event: 'network', kind: 'forget', at: 1000, rid: 'orn:a.b:c', rid_type: 'orn:a.b' },
      {
        event: 'ready',
        role: 'producer',
        name: 'fake',
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
        koi_net_url: 'http://fake/koi-net',
        node_rid: NODE_RID,
        mcp_url: expect.stringMatching(/\d\/mcp$/) as string,
      },
    ])
    host.connected = false
    host.emit('disconnect')
    expect(await ended).toBe(0)
    expect(node.calls).toEqual([['stop']])
  })

  it('says in one line what keeps it from starting, and the fix', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    host.env['KOI_MCP_NODE__PORT'] = String(port)
    host.connected = true
    expect(await run()).toBe(1)
    const message = `Port ${port} on 127.0.0.1 is in use: stop what listens there, or choose another with node.port (KOI_MCP_NODE__PORT); 0 takes any free one`
    expect(host.errors).toBe(`koi-mcp producer: ${message}\n`)
    expect(host.messages).toEqual([{ event: 'failed', role: 'producer', message }])
    expect(host.connected).toBe(false)
    other.close()
  })

  it('tells all problems of the configuration, and of the command line', async () => {
    host.env['KOI_MCP_NODE__PORT'] = 'x'
    expect(await run()).toBe(1)
    expect(host.errors).toBe(
      'koi-mcp producer: The configuration has a problem:\n  node.port (KOI_MCP_NODE__PORT) must be a port, a whole number from 0 (any free one) to 65535. Example: 9000\n',
    )
    host.errors = ''
    host.argv.push('--confg', 'x')
    expect(await run()).toBe(1)
    expect(host.errors).toMatch(/^koi-mcp producer: Unknown option '--confg'/)
  })

  it('says which setting moves a state folder that cannot be made', async () => {
    const failure = Object.assign(new Error("ENOTDIR: not a directory, mkdir '/dev/null/x'"), {
      code: 'ENOTDIR',
      syscall: 'mkdir',
    })
    node.start = () => Promise.reject(failure)
    expect(await run()).toBe(1)
    expect(host.errors).toBe(
      "koi-mcp producer: ENOTDIR: not a directory, mkdir '/dev/null/x': choose another folder with persistence.storage_path (KOI_MCP_PERSISTENCE__STORAGE_PATH)\n",
    )
  })

  it('shows where a fault of the program is', async () => {
    node.start = () => Promise.reject(new TypeError('x is no function'))
    expect(await run()).toBe(1)
    expect(host.errors).toMatch(/TypeError: x is no function\n +at /)
  })
})
