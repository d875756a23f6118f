import { mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { FileFormat } from './file-format.ts'
import { Gate } from './gate.ts'
import { literal } from './sql.ts'
import { TableError } from './table-error.ts'

/** Each scan holds some buffers of 32 MB. */
const FILES_AT_ONCE = 2
const INTERRUPT_MS = 20

export type Row = Readonly<Record<string, unknown>>

/** A file that queries may name, as an SQL string. */
export interface OpenTable {
  readonly file: string
  rows(sql: string): Promise<readonly Row[]>
}

export interface TableEngineOptions {
  /** The only folder, with all below it, that the engine may read: a real path. */
  readonly folder: string
  /** Default `512MB`. */
  readonly memoryLimit?: string
  /** Default 2. */
  readonly threads?: number
}

/**
 * DuckDB in memory, shut in: it loads no extensions, reads no network and no file outside the folder, writes nothing, and fails rather than
 * take more memory than it is given.
 */
export class TableEngine {
  readonly #instance: DuckDBInstance
  readonly #links: string
  readonly #gate = new Gate(FILES_AT_ONCE)
  #opened = 0

  private constructor(instance: DuckDBInstance, links: string) {
    this.#instance = instance
    this.#links = links
  }

  static async open({ folder, memoryLimit = '512MB', threads = 2 }: TableEngineOptions): Promise<TableEngine> {
    const links = await mkdtemp(join(await realpath(tmpdir()), 'koi-mcp-tables-'))
    try {
      // Loaded here, for a service that has the domain but no folder needs none of it.
      const { DuckDBInstance } = await import('@duckdb/node-api')
      const instance = await DuckDBInstance.create(':memory:', {
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
        allow_persistent_secrets: 'false',
        preserve_insertion_order: 'false',
        memory_limit: memoryLimit,
        threads: String(threads),
      })
      const connection = await instance.connect()
      const readable = [folder, links].map((path) => literal(path.endsWith(sep) ? path : path + sep))
      await connection.run('SET enable_external_file_cache = false')
      await connection.run(`SET temp_directory = ''`)
      await connection.run(`SET allowed_directories = [${readable.join(', ')}]`)
      await connection.run('SET enable_external_access = false')
      await connection.run('SET lock_configuration = true')
      connection.closeSync()
      return new TableEngine(instance, links)
    } catch (error) {
      await rm(links, { recursive: true, force: true })
      throw error
    }
  }

  /**
   * Lets `read` query a file, and ends its queries on the signal. DuckDB expands patterns in names, so it is given the file under another
   * name, a link; it follows it to where it may read.
   *
   * @throws TableError for what the engine says of the file
   */
  with<T>(path: string, format: FileFormat, signal: AbortSignal, read: (table: OpenTable) => Promise<T>): Promise<T> {
    return this.#gate.pass(() => this.#with(path, format, signal, read))
  }

  async close(): Promise<void> {
    this.#instance.closeSync()
    await rm(this.#links, { recursive: true, force: true })
  }

  async #with<T>(
    path: string,
    format: FileFormat,
    signal: AbortSignal,
    read: (table: OpenTable) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    this.#opened += 1
    const link = join(this.#links, `${this.#opened}.${format}`)
    await symlink(path, link)
    const connection = await this.#instance.connect()
    // An interrupt before the query runs is lost, so it is said until the end.
    let interrupting: NodeJS.Timeout | undefined
    const interrupt = (): void => {
      connection.interrupt()
      interrupting = setInterval(() => connection.interrupt(), INTERRUPT_MS)
    }
    signal.addEventListener('abort', interrupt, { once: true })
    try {
      return await read({ file: literal(link), rows: (sql) => rowsOf(connection, sql, signal) })
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof TableError ? error : tableErrorOf(error, link)
    } finally {
      signal.removeEventListener('abort', interrupt)
      clearInterval(interrupting)
      connection.closeSync()
      await rm(link, { force: true })
    }
  }
}

async function rowsOf(connection: DuckDBConnection, sql: string, signal: AbortSignal): Promise<readonly Row[]> {
  signal.throwIfAborted()
  const reader = await connection.runAndReadAll(sql)
  return reader.getRowObjectsJson()
}

/** DuckDB's first line, without its way of saying where; the lines after it are hints about SQL. */
function tableErrorOf(error: unknown, link: string): TableError {
  const text = error instanceof Error ? error.message : String(error)
  const [line = ''] = text.split('\n')
  const message = line
    .replace(/^[A-Z][A-Za-z ]+ Error: /, '')
    .replaceAll(`file "${link}"`, 'the file')
    .replaceAll(`"${link}"`, 'the file')
    .replaceAll(link, 'the file')
    .trim()
  const passing = /^(Out of Memory|IO|Permission|Interrupt|Fatal|Internal)\b/i.test(line)
  return new TableError(passing ? 'unreadable' : 'no_table', `cannot be read as a table: ${message}`, { cause: error })
}
