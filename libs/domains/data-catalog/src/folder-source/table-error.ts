/**
 * A file that becomes no dataset. `no_table`: it was read, and is none. `unreadable`: it could not be read this time, so what is known of it stands.
 */
export class TableError extends Error {
  readonly code: 'no_table' | 'unreadable'
  constructor(code: TableError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TableError'
    this.code = code
  }
}
