import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CliError } from './errors.ts'
import { mainOf, roleOf } from './roles.ts'
import type { ROLE_NAMES } from './roles.ts'

/**
 * Runs a single role in this very process, as an image or a service manager would: the service reads its own configuration, and signals reach it
 * directly.
 */
export const runRole = async (role: (typeof ROLE_NAMES)[number], config: string | undefined): Promise<void> => {
  const main = mainOf(roleOf(role))
  if (!existsSync(main)) {
    throw new CliError(`${fileURLToPath(main)} is missing: the services are not built. Run "npm run build" first.`)
  }
  process.argv.splice(1, Infinity, fileURLToPath(main), ...(config === undefined ? [] : ['--config', config]))
  await import(main.href)
}
