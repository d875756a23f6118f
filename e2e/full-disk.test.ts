import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Command, eventually, koiMcp, place } from './koi-mcp.ts'

/** Only root mounts: elsewhere the store's own tests stand for this one. */
const mounts = process.platform === 'linux' && process.getuid?.() === 0
const NOTE = 'orn:notes.note'

const logged = (command: Command, message: string) =>
  command.until(() =>
    command.out
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, string>)
      .find(({ msg }) => msg === message),
  )

test.runIf(mounts)(
  'a producer whose disk fills up answers 503, lives and is read, and goes on by itself when there is room, with all that it acknowledged',
  async () => {
    const at = await place()
    const disk = join(at.folder, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk])
    onTestFinished(() => void execFileSync('umount', ['--lazy', disk]))
    const env = {
      KOI_MCP_NODE__PORT: '0',
      KOI_MCP_PERSISTENCE__STORAGE_PATH: join(disk, 'state'),
      KOI_MCP_LOGGING__FORMAT: 'json',
    }
    const ballast = join(disk, 'ballast')
    const fill = (): void => expect(() => writeFileSync(ballast, Buffer.alloc(16_000_000))).toThrow(/ENOSPC/u)

    const producer = new Command(['run', '--role', 'producer'], { env })
    const { url } = await logged(producer, 'ready')
    const publish = (index: number) =>
      fetch(`${url}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          rid: `${NOTE}:${String(index).padStart(4, '0')}`,
          contents: { text: 'x'.repeat(30_000) },
        }),
      })
    const held = async (): Promise<string[]> => {
      const response = await fetch(`${url}/api/rids?limit=1000&types=${NOTE}`)
      expect(response.status).toBe(200)
      return ((await response.json()) as { rids: string[] }).rids
    }

    const acknowledged: string[] = []
    for (let index = 0; index < 5; index++) acknowledged.push(await ridOf(await publish(index)))
    fill()
    let refused: Response | undefined
    for (let index = 5; refused === undefined; index++) {
      const response = await publish(index)
      if (response.status === 200) acknowledged.push(await ridOf(response))
      else refused = response
    }
    expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([
      503,
      '1',
      { statusCode: 503, error: 'Service Unavailable', message: 'The disk of this node is full' },
    ])
    expect((await held()).length).toBeGreaterThanOrEqual(5)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    const backup = await koiMcp(['backup', '--storage', join(disk, 'state'), join(disk, 'backup')])
    expect([backup.code, backup.err]).toEqual([1, [expect.stringContaining('The backup cannot be written')]])

    rmSync(ballast)
    const after = await eventually(async () => {
      const response = await publish(9_000)
      return response.status === 200 ? ridOf(response) : undefined
    })
    await eventually(async () => ((await held()).length === acknowledged.length + 1 ? true : undefined))
    expect(await held()).toEqual([...acknowledged, after])

    // Killed on a full disk, its next start says so and changes nothing that matters.
    fill()
    producer.process.kill('SIGKILL')
    await producer.exited
    const second = await koiMcp(['run', '--role', 'producer'], { env })
    expect(second.code).toBe(1)
    expect(second.err.at(-1)).toMatch(/^koi-mcp producer: The store .* cannot grow: free space on its disk/u)
    rmSync(ballast)
    const third = new Command(['run', '--role', 'producer'], { env })
    const { url: again } = await logged(third, 'ready')
    const response = await fetch(`${again}/api/rids?limit=1000&types=${NOTE}`)
    expect(await response.json()).toEqual({ rids: [...acknowledged, after], next: null })
  },
)

const ridOf = async (response: Response): Promise<string> => ((await response.json()) as { rid: string }).rid
