import type { Rid } from '@koi-mcp/protocol'
import { datasetRid } from '../rid-types.ts'

/** How a file was catalogued last. */
export interface Outcome {
  readonly bytes: number
  readonly modified: string | undefined
  /** Of a dataset. */
  readonly schema?: string | undefined
  /** Of a file that is no dataset. */
  readonly failure?: string | undefined
  /** The file system refused: it is worth another look although the file is the same. */
  readonly retry?: boolean
}

/** `total` = files found, `done` of them looked at, `failed` of these not catalogued. */
export interface FolderProgress {
  readonly done: number
  readonly total: number
  readonly failed: number
}

export interface FileFailure {
  readonly path: string
  readonly reason: string
}

/** Which files a source has, what became of each, and which schemas their datasets use. */
export class FileLedger {
  readonly #source: string
  readonly #rids = new Map<Rid, string>()
  readonly #tracked = new Set<string>()
  readonly #outcomes = new Map<string, Outcome>()
  readonly #schemaUses = new Map<string, number>()
  readonly #unnamable = new Map<string, string>()
  #failed = 0

  constructor(source: string) {
    this.#source = source
  }

  get paths(): ReadonlySet<string> {
    return this.#tracked
  }

  get progress(): FolderProgress {
    const others = this.#unnamable.size
    return {
      done: this.#outcomes.size + others,
      total: this.#tracked.size + others,
      failed: this.#failed + others,
    }
  }

  get failures(): FileFailure[] {
    const failed = [...this.#outcomes].flatMap(([path, { failure }]) =>
      failure === undefined ? [] : [{ path, reason: failure }],
    )
    return [...[...this.#unnamable].map(([path, reason]) => ({ path, reason })), ...failed]
  }

  /** The file is there, and its dataset may be. */
  track(path: string): void {
    this.#tracked.add(path)
    this.#rids.set(datasetRid(this.#source, path), path)
  }

  outcome(path: string): Outcome | undefined {
    return this.#outcomes.get(path)
  }

  settle(path: string, outcome: Outcome): void {
    this.#unsettle(path)
    this.#outcomes.set(path, outcome)
    if (outcome.failure !== undefined) this.#failed += 1
  }

  /** The file has no dataset (any more), whether it is there or not. */
  disown(path: string): void {
    this.#rids.delete(datasetRid(this.#source, path))
  }

  remove(path: string): void {
    this.#unsettle(path)
    this.disown(path)
    this.#tracked.delete(path)
  }

  /** Whether the RID is of a file that is there, or of a schema in use. */
  keeps(rid: Rid): boolean {
    return this.#rids.has(rid) || this.#schemaUses.has(rid)
  }

  /** A dataset begins to use a schema. */
  useSchema(schema: string): void {
    this.#schemaUses.set(schema, (this.#schemaUses.get(schema) ?? 0) + 1)
  }

  releaseSchema(schema: string): void {
    const uses = (this.#schemaUses.get(schema) ?? 0) - 1
    if (uses > 0) this.#schemaUses.set(schema, uses)
    else this.#schemaUses.delete(schema)
  }

  /** What stands in the folder and has no name or no reading. Answers what is new of it. */
  setUnnamable(problems: readonly FileFailure[]): FileFailure[] {
    const fresh = problems.filter(({ path, reason }) => this.#unnamable.get(path) !== reason)
    this.#unnamable.clear()
    for (const { path, reason } of problems) this.#unnamable.set(path, reason)
    return fresh
  }

  #unsettle(path: string): void {
    const before = this.#outcomes.get(path)
    if (before === undefined) return
    this.#outcomes.delete(path)
    if (before.failure !== undefined) this.#failed -= 1
    if (before.schema !== undefined) this.releaseSchema(before.schema)
  }
}
