import { basename, relative, sep } from 'node:path'
import { watch } from 'chokidar'
import { formatOf } from './file-format.ts'

export interface FolderEvents {
  /** A file came, changed or went; its path relative to the folder, with "/". */
  onFile(path: string): void
  /** A folder came or went. */
  onFolder(): void
  onError(error: unknown): void
}

/** Watches a folder (a real path) and all below it. Resolves with what ends it, once everything there is watched. */
export async function watchFolder(root: string, events: FolderEvents): Promise<() => Promise<void>> {
  const watcher = watch(root, {
    ignoreInitial: true,
    followSymlinks: false,
    ignorePermissionErrors: true,
    ignored: (path, stats) =>
      path !== root && (basename(path).startsWith('.') || (stats?.isFile() === true && formatOf(path) === undefined)),
  })
  const onFile = (path: string): void => {
    if (formatOf(path) !== undefined) events.onFile(relative(root, path).split(sep).join('/'))
  }
  watcher.on('add', onFile).on('change', onFile).on('unlink', onFile)
  watcher.on('addDir', () => events.onFolder()).on('unlinkDir', () => events.onFolder())
  watcher.on('error', (error) => events.onError(error))
  await new Promise<void>((resolve) => watcher.once('ready', resolve))
  return () => watcher.close()
}
