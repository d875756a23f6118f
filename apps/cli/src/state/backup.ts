import { chown, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { BackupError, checkBackup, fillBackupOfStopped, KeyFileError, placeBackup } from '@koi-mcp/core'
import type { BackupManifest } from '@koi-mcp/core'
import { CliError, messageOf } from '../errors.ts'
import { printLine } from '../io.ts'
import type { Io } from '../io.ts'
import { explained } from './explained.ts'
import { keyPassword, nodeFolder, runningService } from './node-folder.ts'
import type { NodeChoice } from './node-folder.ts'

/** A node's key and store in a new folder: made by its own process where it runs, for the store is that process's alone. */
export const backup = (target: string, choice: NodeChoice & { json?: boolean }, io: Io, signal: AbortSignal) =>
  explained(async () => {
    const folder = nodeFolder(choice, io)
    const place = resolve(io.cwd, target)
    const password = await keyPassword(io)
    let unopened: string | undefined
    const manifest = await placeBackup(place, async (partial) => {
      await fill(folder, partial, io, signal, choice.token)
      try {
        return await checkBackup(partial, password)
      } catch (error) {
        // The files are as they should be; only the key could not be tried.
        if (error instanceof BackupError) throw notSound(folder, error)
        if (!(error instanceof KeyFileError)) throw error
        unopened = messageOf(error)
        return checkBackup(partial, undefined, { tryKey: false })
      }
    })
    if (choice.json === true) return printLine(io.stdout, JSON.stringify({ ...manifest, folder: place }))
    printLine(io.stdout, `${place} holds ${manifest.node_rid} as of ${manifest.at} (${size(manifest)}).`)
    if (unopened !== undefined) printLine(io.stderr, `Its key was copied, but not tried: ${unopened}`)
    printLine(
      io.stderr,
      `The private key is in it: keep it as you keep the key. To put it back: koi-mcp restore ${place}`,
    )
  })

const fill = async (folder: string, partial: string, io: Io, signal: AbortSignal, token?: string): Promise<void> => {
  const service = await runningService(folder, io, signal, token)
  if (service === undefined) return void (await fillBackupOfStopped(folder, partial, signal))
  // The service takes only a folder of its own user.
  const { uid, gid } = await stat(folder)
  if (process.getuid?.() === 0) await chown(partial, uid, gid)
  await service.post('/api/backup', { folder: partial }, signal)
}

const size = ({ parts }: BackupManifest): string => {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** A copy is made page by page, whatever stands in them: what is wrong with it is mostly wrong with the node's own store. */
const notSound = (folder: string, error: BackupError): CliError =>
  new CliError(
    `No backup was made, for the copy is not sound: ${error.defect ?? error.message}. The store in ${folder} itself may be damaged: keep the backups you have.`,
    { cause: error },
  )
