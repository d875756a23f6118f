import type { Logger, Share, Shares } from '@koi-mcp/core'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { DataSchemaRID, datasetRid } from '../rid-types.ts'
import type { FileLedger } from './file-ledger.ts'
import type { Publisher } from './publisher.ts'
import { isSame } from './found-file.ts'
import { knownRids, publishedFiles } from './published-files.ts'
import { walkFolder } from './walk-folder.ts'
import type { Walked } from './walk-folder.ts'

export interface FolderReconcilerOptions {
  /** The folder's real path. */
  readonly root: string
  readonly source: string
  readonly publisher: Publisher
  /** Which of the files and RIDs are this process's to look after. */
  readonly shares: Shares
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

/** The share an RID belongs to, where it is held. */
type ShareOf = (rid: Rid) => Share | undefined

/** Finds where the folder, the ledger and what the node has of the source differ, as far as that is this process's share. */
export class FolderReconciler {
  readonly #options: FolderReconcilerOptions
  readonly #takenUp = new WeakSet<Share>()
  #tooMany = false

  constructor(options: FolderReconcilerOptions) {
    this.#options = options
  }

  /** Whether the folder held more files than are catalogued. */
  get tooMany(): boolean {
    return this.#tooMany
  }

  /** @throws the error of the file system when the folder cannot be read, those of the publisher, and LeaseLostError */
  async reconcile(): Promise<void> {
    const { root, source, shares, ledger, log, signal, maxFiles } = this.#options
    // What comes to be held on the way is not known yet: the next look takes it up.
    const held = new Set(shares.held)
    const shareOf: ShareOf = (rid) => {
      const share = shares.of(rid)
      return share !== undefined && held.has(share) ? share : undefined
    }
    const walked = await walkFolder(root, maxFiles, signal)
    const paths = walked.files.map(({ path }) => path)
    const there = new Set(paths.filter((path) => shareOf(datasetRid(source, path)) !== undefined))
    for (const path of there) ledger.track(path)
    if ([...held].some((share) => !this.#takenUp.has(share))) await this.#takeUp(there, shareOf)
    for (const share of held) this.#takenUp.add(share)
    for (const { path, reason } of ledger.setUnnamable(walked.problems)) {
      log.warn(`not catalogued: ${path}: ${reason}`, { path })
    }
    this.#noteTooMany(walked)
    this.#tellChanges(walked, there)
    await this.#forgetStrays(walked, shareOf)
  }

  /** Goes on from what the node has published of this source before: files unchanged since are not read again. */
  async #takeUp(there: ReadonlySet<string>, shareOf: ShareOf): Promise<void> {
    const { publisher, source, ledger, signal } = this.#options
    for await (const { path, schema, bytes, modified } of publishedFiles(publisher.knowledge, source)) {
      signal.throwIfAborted()
      if (!there.has(path) || shareOf(datasetRid(source, path)) === undefined) continue
      if (ledger.outcome(path) !== undefined) continue
      if (schema !== undefined) ledger.useSchema(schema)
      ledger.settle(path, { bytes, modified, schema })
    }
  }

  #tellChanges(walked: Walked, there: ReadonlySet<string>): void {
    const { ledger, stableMs } = this.#options
    for (const file of walked.files) {
      if (!there.has(file.path)) continue
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
  async #forgetStrays(walked: Walked, shareOf: ShareOf): Promise<void> {
    const { publisher, source, shares, ledger, log, signal } = this.#options
    for await (const rid of knownRids(publisher.knowledge, source)) {
      signal.throwIfAborted()
      // Which schemas are in use, nobody sees of his own files alone.
      if (!shares.alone && ridTypeOf(rid) === DataSchemaRID.name) continue
      if (ledger.keeps(rid)) continue
      const entity = await publisher.knowledge.read(rid)
      if (entity === undefined || entity.origin !== undefined) continue
      const { path } = entity.bundle.contents.value
      if (typeof path === 'string' && isUnread(walked, path)) continue
      // A schema in use by files that could not be looked at is not known to be in use.
      if (path === undefined && walked.unread.length > 0) continue
      const share = shareOf(rid)
      if (share === undefined || ledger.keeps(rid)) continue
      log.info('forgotten: its file is gone', { rid })
      await share.write((under) => publisher.forget(rid, { under }))
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
