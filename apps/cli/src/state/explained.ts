import { BackupError, KeyFileError, NodeStateError, StoreError } from '@koi-mcp/core'
import { CliError, errorCode } from '../errors.ts'

/** What the node's own parts say of a state folder is for the person at the terminal. */
export const explained = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    const known = [BackupError, KeyFileError, NodeStateError, StoreError].some((kind) => error instanceof kind)
    // A disk that is full, a folder that may not be written: the system's own words name the file.
    const isSystem = error instanceof Error && /^E[A-Z]+$/u.test(errorCode(error) ?? '')
    if (known || isSystem) throw new CliError((error as Error).message, { cause: error })
    throw error
  }
}
