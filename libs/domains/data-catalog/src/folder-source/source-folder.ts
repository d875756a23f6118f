import { realpath, stat } from 'node:fs/promises'
import { DatasetRID, ridPrefix } from '../rid-types.ts'

/** The folder cannot be a source; the message says why. */
export class FolderSourceError extends Error {
  readonly code = 'FOLDER_SOURCE'
}

/** The folder's real path. @throws FolderSourceError */
export async function folderAt(folder: string): Promise<string> {
  try {
    const root = await realpath(folder)
    if ((await stat(root)).isDirectory()) return root
  } catch (cause) {
    const reason =
      cause instanceof Error && 'code' in cause && cause.code === 'ENOENT' ? 'does not exist' : String(cause)
    throw new FolderSourceError(`the folder ${folder} ${reason}; name a folder of data files`, { cause })
  }
  throw new FolderSourceError(`${folder} is not a folder; name a folder of data files`)
}

/** @throws FolderSourceError where the name is not fit for RIDs */
export function sourceName(name: string): string {
  try {
    ridPrefix(DatasetRID, name)
    return name
  } catch (cause) {
    throw new FolderSourceError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
