import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FoundFile } from './found-file.ts'
import { findFile, isMissing } from './found-file.ts'
import { formatOf } from './file-format.ts'

export interface Walked {
  readonly files: readonly FoundFile[]
  /** What stands in the folder and cannot be catalogued, and why. */
  readonly problems: readonly { readonly path: string; readonly reason: string }[]
  /** Folders that could not be read: nothing is known of what they hold. They end in "/". */
  readonly unread: readonly string[]
  /** Whether there were more than `maxFiles`. */
  readonly tooMany: boolean
}

/**
 * All data files below a folder (a real path), in order of their names, without hidden ones and without following links to folders.
 *
 * @throws the error of the file system when the folder itself cannot be read
 */
export async function walkFolder(root: string, maxFiles: number, signal: AbortSignal): Promise<Walked> {
  const walked = { files: [] as FoundFile[], problems: [] as Walked['problems'][number][], unread: [] as string[] }
  const folders = ['']
  let tooMany = false
  for (let folder = folders.shift(); folder !== undefined && !tooMany; folder = folders.shift()) {
    signal.throwIfAborted()
    const entries = await entriesOf(root, folder, walked)
    const below: string[] = []
    for (const { name, isFolder } of entries) {
      const path = folder + name
      if (isFolder) below.push(`${path}/`)
      else if (formatOf(name) !== undefined) {
        const file = await found(root, path, walked)
        tooMany = file !== undefined && walked.files.length >= maxFiles
        if (tooMany) break
        if (file !== undefined) walked.files.push(file)
      }
    }
    folders.unshift(...below)
  }
  return { ...walked, tooMany }
}

interface Entry {
  readonly name: string
  readonly isFolder: boolean
}

type Notes = Pick<{ problems: Walked['problems'][number][]; unread: string[] }, 'problems' | 'unread'>

async function entriesOf(root: string, folder: string, notes: Notes): Promise<Entry[]> {
  const entries = await readdir(join(root, ...folder.split('/')), { withFileTypes: true, encoding: 'buffer' }).catch(
    (error: unknown) => {
      if (folder === '') throw error
      if (!isMissing(error)) {
        notes.unread.push(folder)
        notes.problems.push({ path: folder, reason: `cannot be read: ${messageOf(error)}` })
      }
      return []
    },
  )
  const known: Entry[] = []
  for (const entry of entries) {
    const name = entry.name.toString('utf8')
    if (name.startsWith('.')) continue
    const isFolder = entry.isDirectory()
    if (Buffer.from(name).equals(entry.name)) known.push({ name, isFolder })
    else if (isFolder || formatOf(name) !== undefined) {
      notes.problems.push({ path: folder + escaped(entry.name), reason: 'has a name that is not UTF-8; rename it' })
    }
  }
  return known.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function found(root: string, path: string, notes: Notes): Promise<FoundFile | undefined> {
  try {
    return await findFile(root, path)
  } catch (error) {
    notes.unread.push(path)
    notes.problems.push({ path, reason: `cannot be read: ${messageOf(error)}` })
    return undefined
  }
}

/** Bytes that are no ASCII as `\xNN`. */
function escaped(name: Buffer): string {
  return name.toString('latin1').replace(/[\x80-\xff]/g, (character) => `\\x${character.charCodeAt(0).toString(16)}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
