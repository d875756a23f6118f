import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { eventually, koiMcp, NODE, place } from './koi-mcp.ts'

const PROGRAM = fileURLToPath(new URL('dead-letters-service.ts', import.meta.url))

/** The service on the state folder, and where it answers. */
const start = async (state: string, broken: string): Promise<{ service: ChildProcess; url: string }> => {
  const service = spawn(NODE, [PROGRAM], {
    env: {
      ...process.env,
      BROKEN: broken,
      KOI_MCP_NODE__PORT: '0',
      KOI_MCP_PERSISTENCE__STORAGE_PATH: state,
      KOI_MCP_NETWORK__MAX_RETRIES: '2',
      KOI_MCP_LOGGING__FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void service.kill('SIGKILL'))
  for await (const line of createInterface({ input: service.stdout })) {
    const { msg, url } = JSON.parse(line) as { msg: string; url?: string }
    if (msg === 'ready' && url !== undefined) {
      service.stdout.resume()
      return { service, url }
    }
  }
  throw new Error('the service ended')
}

test('what a handler cannot handle is listed, shown, replayed when the handler is mended, and dropped', async () => {
  const at = await place()
  const broken = join(at.folder, 'broken')
  await writeFile(broken, '')
  let { service, url } = await start(at.state, broken)
  const publish = async (name: string, contents: string) => {
    const body = `{"rid":"orn:notes.note:${name}","contents":${contents}}`
    const headers = { 'content-type': 'application/json' }
    const { status } = await fetch(`${url}/publish`, { method: 'POST', headers, body })
    expect(status).toBe(200)
  }
  const deadLetters = (...args: string[]) => koiMcp(['dead-letters', ...args, '--url', url])
  const listed = async () =>
    (await deadLetters('list', '--json')).out.map((line) => JSON.parse(line) as { place: number; rid: string })
  const until = (count: number) =>
    eventually(async () => {
      const rows = await listed()
      return rows.length === count ? rows : undefined
    })

  expect(await deadLetters('list')).toEqual({ code: 0, out: [], err: [`No dead letters at ${url}.`] })
  await publish('a', '{"n":1.0}')
  await publish('busy', '{"n":2}')
  const both = await until(2)
  const [first, second] = [both[0]!, both[1]!]

  // It outlives the process.
  service.kill('SIGKILL')
  await once(service, 'exit')
  ;({ service, url } = await start(at.state, broken))

  const table = (await deadLetters('list')).out
  expect(table[0]).toMatch(/^PLACE +FAILED AT +TRIES +EVENT +RID +ERROR$/u)
  expect(table.slice(1)).toEqual([
    expect.stringMatching(new RegExp(`^${first.place} +\\S+Z +1 +NEW +notes.note:a +the index is gone$`, 'u')),
    expect.stringMatching(new RegExp(`^${second.place} +\\S+Z +2 +NEW +notes.note:busy +the index is busy$`, 'u')),
  ])

  const shown = (await deadLetters('show', String(first.place), '--json')).out[0]!
  expect(shown).toContain('"contents":{"n":1.0}')
  expect(JSON.parse(shown)).toMatchObject({
    place: first.place,
    rid: 'orn:notes.note:a',
    event_type: 'NEW',
    source: null,
    phase: 'received',
    attempts: 1,
    error: 'the index is gone',
    history: [{ error: 'the index is gone' }],
    manifest: { rid: 'orn:notes.note:a' },
  })
  const busy = JSON.parse((await deadLetters('show', String(second.place))).out.join('\n')) as { history: unknown[] }
  expect(busy.history).toMatchObject([{ error: 'the index is busy' }, { error: 'the index is busy' }])
  const status = await (await fetch(`${url}/api/status`)).json()
  expect(status).toMatchObject({ queues: { inbox: { pending: 0, dead_letters: 2 } } })

  // Not mended yet: it fails again, under a new place.
  expect((await deadLetters('replay', '--all')).code).toBe(0)
  const again = await eventually(async () => {
    const rows = await listed()
    return rows.length === 2 && rows.every(({ place }) => place > second.place) ? rows : undefined
  })
  expect(await deadLetters('show', String(first.place))).toEqual({
    code: 1,
    out: [],
    err: [
      `koi-mcp: No dead letter at ${url} has the place ${first.place}. "koi-mcp dead-letters list" lists those that are there.`,
    ],
  })

  await rm(broken)
  const mended = again.find(({ rid }) => rid === 'orn:notes.note:a')!
  const replayed = await deadLetters('replay', String(mended.place))
  expect([replayed.code, replayed.out]).toEqual([
    0,
    [expect.stringMatching(new RegExp(`^${mended.place} is handled again, as \\d+\\.$`, 'u'))],
  ])
  await eventually(async () => {
    const { code, out } = await koiMcp(['get', 'orn:notes.note:a', '--json', '--url', url])
    return code === 0 && out[0]?.includes('"contents":{"n":1.0}') ? true : undefined
  })

  const left = (await until(1))[0]!
  expect(await deadLetters('drop', '--all')).toEqual({ code: 0, out: [`${left.place} is dropped.`], err: [] })
  expect(await listed()).toEqual([])
  expect((await koiMcp(['get', 'orn:notes.note:busy', '--url', url])).code).toBe(1)
  service.kill('SIGTERM')
  expect((await once(service, 'exit'))[0]).toBe(0)
})
