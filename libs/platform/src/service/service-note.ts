import { rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Service } from './service.ts'

/** Beside the node's key and store while the service runs: where `koi-mcp backup` finds it. A killed service leaves it behind. */
const NOTE_FILE = 'service.json'

/** Says where the service answers, to whoever may look into its state folder; best effort. Answers how to take the note away. */
export async function leaveNote({ settings, role, url, node, log }: Service): Promise<() => Promise<void>> {
  const folder = resolve(settings.persistence.storage_path)
  const path = join(folder, NOTE_FILE)
  const { name, rid } = node.identity
  try {
    // A node that keeps no state has no folder.
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) return () => Promise.resolve()
    await writeFile(
      `${path}.new`,
      `${JSON.stringify({ pid: process.pid, role, name, url: fromHere(url), node_rid: rid })}\n`,
      { mode: 0o600 },
    )
    await rename(`${path}.new`, path)
  } catch (error) {
    log.warn('the note for koi-mcp backup cannot be written', { path, error })
  }
  return () => rm(path, { force: true })
}

/** A service that listens on every address counts a caller as local only under one of this machine's own. */
function fromHere(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}
