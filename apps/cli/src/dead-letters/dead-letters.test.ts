import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json as jsonOf } from 'node:stream/consumers'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Io } from '../io.ts'
import { drop, list, replay, show } from './commands.ts'
import { deadLetterTable } from './dead-letter-table.ts'
import type { DeadLetterRow } from './dead-letter-table.ts'

const row = (place: number, fields: Partial<DeadLetterRow> = {}): DeadLetterRow => ({
  place,
  rid: `orn:notes.note:${place}`,
  event_type: 'NEW',
  source: null,
  phase: 'received',
  attempts: 3,
  failed_at: '2026-01-02T03:04:05.678Z',
  error: 'broken',
  ...fields,
})

const plain = (_colour: string, text: string): string => text

describe('the table', () => {
  test('has a line for each, in columns', () => {
    expect(deadLetterTable([row(7), row(1_200, { event_type: null, attempts: 10 })], 120, plain)).toEqual([
      'PLACE  FAILED AT             TRIES  EVENT  RID              ERROR',
      '7      2026-01-02T03:04:05Z  3      NEW    notes.note:7     broken',
      '1200   2026-01-02T03:04:05Z  10     –      notes.note:1200  broken',
    ])
  })

  test('fits the terminal, and nothing in it moves the cursor', () => {
    const rows = [row(1, { rid: `orn:a:${'x'.repeat(300)}`, error: `\u001b[2J\n${'e'.repeat(300)}` })]
    const lines = deadLetterTable(rows, 100, plain)
    expect(lines.map((line) => [...line].length)).toEqual([expect.any(Number), 100])
    expect(lines.join('')).not.toMatch(/[\u001b\n]/u)
    const short = deadLetterTable([row(1, { error: 'e'.repeat(300) })], 100, plain)[1]
    expect(short).toContain('notes.note:1 ')
  })
})

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** A service with dead letters at the places, two a page; what it was told to do with which. */
const serve = async (places: number[]) => {
  const told: [string, unknown][] = []
  server = createServer((request, response) => {
    response.setHeader('connection', 'close')
    const at = new URL(request.url ?? '', 'http://x')
    if (request.method === 'POST') {
      void jsonOf(request).then((body) => {
        const { places: asked } = body as { places: number[] }
        told.push([at.pathname, asked])
        const found = asked.filter((place) => places.includes(place))
        // What is replayed fails again at once.
        if (at.pathname.endsWith('replay')) places.push(...found.map((place) => place + 100))
        const replayed = found.map((place) => ({ place, to: place + 100 }))
        response.end(JSON.stringify(at.pathname.endsWith('replay') ? { replayed } : { dropped: found }))
      })
      return undefined
    }
    if (at.pathname === '/api/dead-letter') {
      if (!places.includes(Number(at.searchParams.get('place')))) response.writeHead(404)
      return response.end('{"place":1,"contents":{"n":1.0}}')
    }
    const left = places.filter((place) => place > Number(at.searchParams.get('after')))
    const page = left.slice(0, 2)
    return response.end(
      JSON.stringify({ dead_letters: page.map((place) => row(place)), next: left.length > 2 ? page[1] : null }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, told }
}

const terminal = () => {
  const out: string[] = []
  const err: string[] = []
  const io: Io = {
    stdout: { write: (t) => out.push(t) },
    stderr: { write: (t) => err.push(t) },
    env: {},
    cwd: '/nowhere',
  }
  return { io, out, err }
}

const { signal } = new AbortController()

describe('koi-mcp dead-letters', () => {
  test('lists all pages', async () => {
    const { url } = await serve([1, 2, 3, 4, 5])
    const script = terminal()
    await list({ url, state: '.koi', json: true }, script.io, signal)
    expect(script.out.map((line): unknown => JSON.parse(line))).toEqual([1, 2, 3, 4, 5].map((place) => row(place)))
    const human = terminal()
    await list({ url, state: '.koi' }, human.io, signal)
    expect(human.out).toHaveLength(6)
  })

  test('shows one with every digit, and says where there is none', async () => {
    const { url } = await serve([1])
    const { io, out } = terminal()
    await show(1, { url, state: '.koi' }, io, signal)
    expect(out).toEqual(['{\n  "place": 1,\n  "contents": {\n    "n": 1.0\n  }\n}\n'])
    await expect(show(2, { url, state: '.koi' }, io, signal)).rejects.toThrow(
      `No dead letter at ${url} has the place 2.`,
    )
  })

  test('replays those that were there, and not what became of them', async () => {
    const { url, told } = await serve([1, 2, 3])
    const { io, out } = terminal()
    await replay({ all: true }, { url, state: '.koi' }, io, signal)
    expect(told).toEqual([
      ['/api/dead-letters/replay', [1, 2]],
      ['/api/dead-letters/replay', [3]],
    ])
    expect(out).toEqual([1, 2, 3].map((place) => `${place} is handled again, as ${place + 100}.\n`))
  })

  test('drops one, or all', async () => {
    const { url, told } = await serve([1, 2])
    const { io, out } = terminal()
    await drop({ place: 2 }, { url, state: '.koi' }, io, signal)
    await drop({ all: true }, { url, state: '.koi', json: true }, io, signal)
    expect(told).toEqual([
      ['/api/dead-letters/drop', [2]],
      ['/api/dead-letters/drop', [1, 2]],
    ])
    expect(out).toEqual(['2 is dropped.\n', '{"place":1}\n', '{"place":2}\n'])
  })

  test('says what it does not find, and wants to be told which', async () => {
    const { url } = await serve([])
    const { io, err } = terminal()
    await expect(replay({ place: 9 }, { url, state: '.koi' }, io, signal)).rejects.toThrow(/has the place 9/u)
    await drop({ all: true }, { url, state: '.koi' }, io, signal)
    expect(err).toEqual([`No dead letters at ${url}.\n`])
    const choose = 'Name the place of a dead letter, or say --all.'
    await expect(drop({}, { url, state: '.koi' }, io, signal)).rejects.toThrow(choose)
    await expect(replay({ place: 1, all: true }, { url, state: '.koi' }, io, signal)).rejects.toThrow(choose)
  })

  test('asks the node named, of the network that runs with the state folder', async () => {
    const { url } = await serve([4])
    const state = await mkdtemp(join(tmpdir(), 'koi-dead-letters-'))
    onTestFinished(() => rm(state, { recursive: true }))
    const services = [
      { role: 'producer', name: 'producer', url },
      { role: 'consumer', name: 'mcp-gateway', url: 'http://127.0.0.1:1' },
    ]
    await writeFile(join(state, 'network.json'), JSON.stringify({ pid: 1, started: '', services }))
    const { io, out } = terminal()
    await list({ state, name: 'producer', json: true }, io, signal)
    expect(out).toHaveLength(1)
    await expect(list({ state, name: 'other' }, io, signal)).rejects.toThrow(
      `The network of ${state} has no node other. Name one with --name: producer, mcp-gateway.`,
    )
    await expect(list({ state: '/nowhere', name: 'producer' }, io, signal)).rejects.toThrow(
      'No network runs with /nowhere.',
    )
  })
})
