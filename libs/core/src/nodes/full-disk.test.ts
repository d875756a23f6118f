import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { BROADCAST_EVENTS_PATH, defineRidType, FETCH_RIDS_PATH, payloadText } from '@koi-mcp/protocol'
import { bundleNow, Outsider } from '../../test/outsider.ts'
import { eventsPayload, newEvent, until } from '../../test/peers.ts'
import { DomainExtension } from '../domain/domain-extension.ts'
import { ConsumerNode } from './consumer-node.ts'

const NoteRID = defineRidType('orn:notes.note')
class NotesExtension extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

/** Only root mounts. */
const mounts = process.platform === 'linux' && process.getuid?.() === 0

it.runIf(mounts)(
  'a full disk refuses what peers tell with 503, answers what they ask, and has at the end all that was acknowledged and told again',
  { timeout: 60_000 },
  async () => {
    const disk = mkdtempSync(join(tmpdir(), 'koi-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk])
    const domains = [new NotesExtension()]
    const node = new ConsumerNode({ name: 'n', baseUrl: 'http://127.0.0.1:0/koi-net', state: join(disk, 's'), domains })
    const peer = await Outsider.start([NoteRID.name])
    try {
      await node.start()
      await peer.introduce(node)
      await peer.approve(node)
      const ballast = join(disk, 'ballast')
      expect(() => writeFileSync(ballast, Buffer.alloc(8_000_000))).toThrow(/ENOSPC/u)
      const text = 'x'.repeat(20_000)
      const event = (index: number) => newEvent(bundleNow(NoteRID.of(String(index)), { text }))
      const tell = (index: number) => peer.call(node, BROADCAST_EVENTS_PATH, eventsPayload(event(index)))

      let acknowledged = 0
      let reply = await tell(acknowledged)
      for (; reply.status === 200; reply = await tell(++acknowledged)) continue
      expect(reply).toEqual({
        status: 503,
        body: '{"detail":"The store is not available, try again later","retry_after":5}',
      })
      const asked = payloadText({ type: 'fetch_rids', rid_types: [] })
      expect((await peer.call(node, FETCH_RIDS_PATH, asked)).status).toBe(200)

      rmSync(ballast)
      await until(async () => (await tell(acknowledged)).status === 200)
      await until(async () => (await node.store.listRids({ types: [NoteRID.name] })).length === acknowledged + 1)
      expect(await node.store.inboxState()).toEqual({ pending: 0, deadLetters: 0, nextDueAt: undefined })
    } finally {
      await node.stop()
      await peer.stop()
      execFileSync('umount', [disk])
      rmSync(disk, { recursive: true })
    }
  },
)
