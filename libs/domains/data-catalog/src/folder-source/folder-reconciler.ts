import type { Logger } from '@koi-mcp/core'
import type { FileLedger } from './file-ledger.ts'
import type { Publisher } from './folder-source.ts'
import { isSame } from './found-file.ts'
import { knownRids, publishedFiles } from './published-files.ts'
import { walkFolder } from './walk-folder.ts'
import type { Walked } from './walk-folder.ts'

export interface FolderReconcilerOptions {
  /** The folder's real path. */
  readonly root: string
  readonly source: string
  readonly publisher: Publisher
  readonly ledger: FileLedger
  readonly log: Logger
  readonly signal: AbortSignal
  readonly stableMs: number
  readonly maxFiles: number
  /** The file is new, changed or gone, and at rest. */
  onResting(path: string): void
  /** The file changed a moment ago. */
  onChanging(path: string): void
}

/** Finds where the folder, the ledger and what the node has of the source differ. */
export class FolderReconciler {
  readonly #options: FolderReconcilerOptions
  #begun = false
  #tooMany = false

  constructor(options: FolderReconcilerOptions) {
    this.#options = options
  }

  /** Whether the folder held more files than are catalogued. */
  get tooMany(): boolean {
    return this.#tooMany
  }

  /** @throws the error of the file system when the folder cannot be read, and those of the publisher */
  async reconcile(): Promise<void> {
    const { root, ledger, log, signal, maxFiles } = this.#options
    const walked = await walkFolder(root, maxFiles, signal)
    const there = new Set(walked.files.map(({ path }) => path))
    for (const path of there) ledger.track(path)
    if (!this.#begun) await this.#takeUp(there)
    this.#begun = true
    for (const { path, reason } of ledger.setUnnamable(walked.problems)) {
      log.warn(`not catalogued: ${path}: ${reason}`, { path })
    }
    this.#noteTooMany(walked)
    this.#tellChanges(walked, there)
    await this.#forgetStrays(walked)
  }

  /** Goes on from what the node has published of this source before: files unchanged since are not read again. */
  async #takeUp(there: ReadonlySet<string>): Promise<void> {
    const { publisher, source, ledger, signal } = this.#options
    for await (const { path, schema, bytes, modified } of publishedFiles(publisher.knowledge, source)) {
      signal.throwIfAborted()
      if (!there.has(path)) continue
      if (schema !== undefined) ledger.useSchema(schema)
      ledger.settle(path, { bytes, modified, schema })
    }
  }

  #tellChanges(walked: Walked, there: ReadonlySet<string>): void {
    const { ledger, stableMs } = this.#options
    for (const file of walked.files) {
      const before = ledger.outcome(file.path)
      if (before !== undefined && before.retry !== true && isSame(before, file)) continue
      if (Date.now() - file.modifiedMs >= stableMs) this.#options.onResting(file.path)
      else this.#options.onChanging(file.path)
    }
    for (const path of [...ledger.paths]) {
      if (!there.has(path) && !isUnread(walked, path)) this.#options.onResting(path)
    }
  }

  /** Forgets what the node has published of this source and what no file stands for any more. */
  async #forgetStrays(walked: Walked): Promise<void> {
    const { publisher, source, ledger, log, signal } = this.#options
    for await (const rid of knownRids(publisher.knowledge, source)) {
      signal.throwIfAborted()
      if (ledger.keeps(rid)) continue
      const entity = await publisher.knowledge.read(rid)
      if (entity === undefined || entity.origin !== undefined) continue
      const { path } = entity.bundle.contents.value
      if (typeof path === 'string' && isUnread(walked, path)) continue
      // A schema in use by files that could not be looked at is not known to be in use.
      if (path === undefined && walked.unread.length > 0) continue
      if (ledger.keeps(rid)) continue
      log.info('forgotten: its file is gone', { rid })
      await publisher.forget(rid)
    }
  }

  #noteTooMany({ tooMany, files }: Walked): void {
    if (tooMany && !this.#tooMany) {
      const count = files.length
      this.#options.log.warn(`only the first ${count} files are catalogued; there are more`, { count })
    }
    this.#tooMany = tooMany
  }
}

function isUnread({ unread }: Walked, path: string): boolean {
  return unread.some((place) => place === path || (place.endsWith('/') && path.startsWith(place)))
}
