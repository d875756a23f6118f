import { access, constants, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CliError, errorCode, messageOf } from '../errors.ts'

/** The small public files that come with the program. */
const EXAMPLES = fileURLToPath(new URL('../../../../examples/data', import.meta.url))

/** The absolute path of the folder to catalogue; a `CliError` when it cannot be read. */
export const dataFolder = async (given: string | undefined, cwd: string): Promise<string> => {
  const folder = given === undefined ? EXAMPLES : resolve(cwd, given)
  const fix = 'Name a folder that holds data files: --data DIR.'
  try {
    if (!(await stat(folder)).isDirectory()) throw new CliError(`The data folder ${folder} is a file. ${fix}`)
    await access(folder, constants.R_OK | constants.X_OK)
  } catch (error) {
    if (error instanceof CliError) throw error
    const code = errorCode(error)
    const why =
      code === 'ENOENT'
        ? 'does not exist'
        : code === 'EACCES'
          ? 'may not be read'
          : `cannot be read (${messageOf(error)})`
    throw new CliError(`The data folder ${folder} ${why}. ${fix}`, { cause: error })
  }
  return folder
}
