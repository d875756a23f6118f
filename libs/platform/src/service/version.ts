import { readFileSync } from 'node:fs'

/** The release this service is of: the version of the package. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
