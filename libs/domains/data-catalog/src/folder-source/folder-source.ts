import { basename } from 'node:path'
import type { Logger, Share, Shares } from '@koi-mcp/core'
import { LeaseLostError, silentLogger, WholeSource } from '@koi-mcp/core'
import { datasetRid } from '../rid-types.ts'
import { FileCataloguer } from './file-cataloguer.ts'
import { FileLedger } from './file-ledger.ts'
import type { FileFailure, FolderProgress } from './file-ledger.ts'
import { FolderReconciler } from './folder-reconciler.ts'
import { findFile } from './found-file.ts'
import type { Publisher } from './publisher.ts'
import { SchemaUpkeep } from './schema-upkeep.ts'
import { Settling } from './settling.ts'
import { folderAt, sourceName } from './source-folder.ts'
import { TableEngine } from './table-engine.ts'
import { watchFolder } from './watch-folder.ts'
import { WorkQueue } from './work-queue.ts'

export interface FolderSourceOptions {
  readonly folder: string
  /** First part of the datasets' RIDs; two sources of a network need two names. Default: the folder's own name. */
  readonly name?: string | undefined
  readonly publisher: Publisher
  readonly log?: Logger | undefined
  readonly onProgress?: ((progress: FolderProgress) => void) | undefined
  /** How often the folder is looked through beside being watched, in milliseconds; default 60,000. */
  readonly rescanMs?: number | undefined
  /** How long a file that is being written has to rest, in milliseconds; default 500. */
  readonly stableMs?: number | undefined
  /** Further files are not catalogued; default 10,000. */
  readonly maxFiles?: number | undefined
  /** What `location` begins with, such as `s3://bucket/data/`; default: the folder's file URL. */
  readonly locationBase?: string | undefined
  /** Memory that reading tables may take; default `512MB`. */
  readonly memoryLimit?: string | undefined
}

/** Files under way at once; more than are read at once, as publishing waits for the disk. */
const WIDTH = 16

/**
 * Keeps a folder's data files published as datasets: CSV, TSV, JSON, JSON lines and Parquet, in it and below. What it publishes follows from
 * what is in the folder and what the node has, so it can be ended at any moment and begun again. Replicas of the node, which see the same folder,
 * look after a share of its files each.
 */
export class FolderSource {
  readonly #options: FolderSourceOptions
  readonly #log: Logger
  readonly #stopping = new AbortController()
  readonly #settling: Settling
  readonly #queue: WorkQueue
  #root = ''
  #source = ''
  #shares: Shares = new WholeSource()
  #ledger = new FileLedger('-')
  #cataloguer: FileCataloguer | undefined
  #reconciler: FolderReconciler | undefined
  #schemas: SchemaUpkeep | undefined
  #ended: Promise<void> | undefined
  #end: () => Promise<void> = () => Promise.resolve()
  #rescanning: Promise<void> = Promise.resolve()
  #rescansAsked = 0
  #rescanSoon: NodeJS.Timeout | undefined
  #quiet: (() => void)[] = []
  #lastScanError = ''

  constructor(options: FolderSourceOptions) {
    this.#options = options
    this.#log = options.log ?? silentLogger
    this.#queue = new WorkQueue(WIDTH, (path) => this.#work(path))
    this.#settling = new Settling({
      stableMs: this.#stableMs,
      find: (path) => findFile(this.#root, path),
      onSettled: (path) => this.#enqueue(path),
    })
  }

  get #stableMs(): number {
    return this.#options.stableMs ?? 500
  }

  get #rescanMs(): number {
    return this.#options.rescanMs ?? 60_000
  }

  /** First part of the datasets' RIDs, once started. */
  get source(): string {
    return this.#source
  }

  /** Of the files that are this process's share. */
  get progress(): FolderProgress {
    return this.#ledger.progress
  }

  /** Files that are not catalogued, and why. */
  get failures(): readonly FileFailure[] {
    return this.#ledger.failures
  }

  /**
   * Resolves once the folder is being watched; cataloguing goes on (`idle` tells when all is done). Ends on the signal, or with `stop`.
   * @throws FolderSourceError when the folder is missing or none, or its name is not fit for RIDs
   */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { folder, publisher, memoryLimit, locationBase } = this.#options
    this.#root = await folderAt(folder)
    const source = sourceName(this.#options.name ?? basename(this.#root))
    this.#source = source
    this.#ledger = new FileLedger(source)
    const engine = await TableEngine.open({ folder: this.#root, ...(memoryLimit === undefined ? {} : { memoryLimit }) })
    const shares = publisher.divide(`data-catalog/${source}`)
    this.#shares = shares
    const shared = { publisher, ledger: this.#ledger, log: this.#log }
    const place = { source, root: this.#root, locationBase }
    this.#cataloguer = new FileCataloguer({ ...shared, engine, place, alone: shares.alone })
    const looking = { ...shared, source, shares, signal: this.#stopping.signal }
    if (!shares.alone) this.#schemas = new SchemaUpkeep({ ...looking, patienceMs: this.#rescanMs })
    const reconciler = new FolderReconciler({
      ...looking,
      root: this.#root,
      stableMs: this.#stableMs,
      maxFiles: this.#options.maxFiles ?? 10_000,
      onResting: (path) => this.#enqueue(path),
      onChanging: (path) => this.#settling.touch(path),
    })
    this.#reconciler = reconciler
    const rescans = setInterval(() => {
      if (this.#rescansAsked === 0) void this.rescan()
    }, this.#rescanMs)
    const unwatch = watchFolder(this.#root, {
      onFile: (path) => {
        if (!reconciler.tooMany || this.#ledger.paths.has(path)) this.#settling.touch(path)
      },
      onFolder: () => this.#rescanBefore(),
      onError: (error) =>
        this.#log.warn('watching the folder fails; it is looked through from time to time', { error }),
    })
    const stop = (): void => void this.stop()
    this.#end = async () => {
      signal?.removeEventListener('abort', stop)
      clearInterval(rescans)
      const given = shares.stop()
      await (
        await unwatch
      )()
      await given
      await this.#queue.stop()
      await this.#rescanning
      await engine.close()
    }
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted === true || this.#stopping.signal.aborted) {
      await this.#end()
      return
    }
    await shares.start({
      onGained: () => void this.rescan(),
      onLost: () => this.#leave(),
    })
    await unwatch
    // What changed before all was watched.
    void this.rescan()
  }

  /** Resolves when nothing of it runs any more. Files that were not catalogued yet are found at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#settling.stop()
    clearTimeout(this.#rescanSoon)
    this.#rescanSoon = undefined
    this.#ended ??= this.#end()
    await this.#ended
    this.#tellIfQuiet()
  }

  /** Looks through the folder; resolves when what changed is known and waits to be catalogued. */
  rescan(): Promise<void> {
    this.#rescansAsked += 1
    this.#rescanning = this.#rescanning.then(async () => {
      try {
        await this.#reconciler?.reconcile()
        await this.#schemas?.look()
        this.#tellProgress()
        this.#lastScanError = ''
      } catch (error) {
        this.#scanFailed(error)
      }
      this.#rescansAsked -= 1
      this.#tellIfQuiet()
    })
    return this.#rescanning
  }

  /** Resolves when all that is known to have changed is published or forgotten. */
  async idle(): Promise<void> {
    if (this.#isQuiet()) return
    await new Promise<void>((resolve) => this.#quiet.push(resolve))
  }

  #shareOf(path: string): Share | undefined {
    return this.#shares.of(datasetRid(this.#source, path))
  }

  /** Ends the work on files that are another's now, and knows nothing of them any more. */
  async #leave(): Promise<void> {
    await this.#queue.drop((path) => this.#shareOf(path) === undefined)
    if (this.#stopping.signal.aborted) return
    for (const path of [...this.#ledger.paths]) if (this.#shareOf(path) === undefined) this.#ledger.remove(path)
    this.#tellProgress()
    this.#tellIfQuiet()
  }

  async #work(path: string): Promise<void> {
    const share = this.#shareOf(path)
    if (share === undefined) return
    const outcome = await this.#cataloguer?.catalogue(path, share)
    if (outcome === 'changing') this.#settling.touch(path)
    this.#tellProgress()
    setImmediate(() => this.#tellIfQuiet())
  }

  #enqueue(path: string): void {
    if (this.#shareOf(path) !== undefined) this.#queue.add(path)
    this.#tellIfQuiet()
  }

  /** A folder that comes, goes or is renamed is told in many events. */
  #rescanBefore(): void {
    if (this.#rescanSoon !== undefined || this.#stopping.signal.aborted) return
    this.#rescanSoon = setTimeout(() => {
      this.#rescanSoon = undefined
      void this.rescan()
    }, this.#stableMs)
  }

  #tellProgress(): void {
    if (this.#stopping.signal.aborted) return
    try {
      this.#options.onProgress?.(this.#ledger.progress)
    } catch (error) {
      this.#log.error('onProgress failed', { error })
    }
  }

  #scanFailed(error: unknown): void {
    // Whoever has the share now looks by himself.
    if (error instanceof LeaseLostError) return
    const message = error instanceof Error ? error.message : String(error)
    if (this.#stopping.signal.aborted || message === this.#lastScanError) return
    this.#lastScanError = message
    this.#log.error(`the folder ${this.#root} cannot be looked through; what is known of it stands: ${message}`, {
      error,
    })
  }

  #isQuiet(): boolean {
    if (this.#stopping.signal.aborted) return true
    return (
      this.#rescansAsked === 0 && this.#rescanSoon === undefined && this.#settling.size === 0 && this.#queue.size === 0
    )
  }

  #tellIfQuiet(): void {
    if (!this.#isQuiet()) return
    const waiting = this.#quiet
    this.#quiet = []
    for (const resolve of waiting) resolve()
  }
}
