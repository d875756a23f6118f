import type { KoiMcpSettings } from './settings.ts'
import type { SettingsProblem } from './settings-error.ts'

const POSTGRES = { schemes: ['postgres:', 'postgresql:'], example: 'postgres://koi@localhost/koi' }
const REDIS = { schemes: ['redis:', 'rediss:'], example: 'redis://localhost:6379' }

/** The URL of a server, given as `<path>` or in the file that `<path>_file` names. */
interface ServerUrl {
  readonly path: string
  readonly url: string | undefined
  readonly file: string | undefined
  readonly schemes: readonly string[]
  readonly example: string
  readonly isUsed: boolean
  readonly isNeeded: boolean
  /** What makes it used. */
  readonly when: string
}

/** What store and queue need of each other: each URL where it is used, and none that nothing uses. */
export function checkBackends({ persistence, queue }: KoiMcpSettings): readonly SettingsProblem[] {
  const { storage_type: storage } = persistence
  const isQueued = queue.queue_type === 'bullmq'
  const hasRedis = persistence.redis_url !== undefined || persistence.redis_url_file !== undefined
  const urls: readonly ServerUrl[] = [
    {
      ...POSTGRES,
      path: 'persistence.postgres_url',
      url: persistence.postgres_url,
      file: persistence.postgres_url_file,
      isUsed: storage === 'postgres',
      isNeeded: storage === 'postgres',
      when: 'persistence.storage_type is postgres',
    },
    {
      ...REDIS,
      path: 'persistence.redis_url',
      url: persistence.redis_url,
      file: persistence.redis_url_file,
      isUsed: storage === 'redis' || isQueued,
      isNeeded: storage === 'redis',
      when: `persistence.storage_type is redis${storage === 'redis' ? '' : ', or queue.queue_type bullmq'}`,
    },
    {
      ...REDIS,
      path: 'queue.redis_url',
      url: queue.redis_url,
      file: queue.redis_url_file,
      isUsed: isQueued,
      isNeeded: isQueued && storage !== 'file' && !hasRedis,
      when: 'queue.queue_type is bullmq',
    },
  ]
  const problems = urls.flatMap(checkUrl)
  if (storage !== 'file') return problems
  if (isQueued) {
    const message = 'must be store when persistence.storage_type is file: one process has nobody else to wake'
    problems.push({ path: 'queue.queue_type', message })
  }
  if (persistence.namespace !== undefined) {
    const message = 'has no effect unless persistence.storage_type is redis or postgres'
    problems.push({ path: 'persistence.namespace', message })
  }
  return problems
}

function checkUrl({ path, url, file, schemes, example, isUsed, isNeeded, when }: ServerUrl): SettingsProblem[] {
  if (url === undefined && file === undefined) {
    return isNeeded ? [{ path, message: `is needed when ${when}`, example }] : []
  }
  const given = file === undefined ? path : `${path}_file`
  if (!isUsed) return [{ path: given, message: `has no effect unless ${when}` }]
  // A file that cannot be read is a problem of its own.
  if (url === undefined || (URL.canParse(url) && schemes.includes(new URL(url).protocol))) return []
  const what = file === undefined ? 'must be' : 'names a file that does not hold'
  const message = `${what} a URL of ${schemes[0] ?? ''}//; in a password, special characters are written as %XX`
  return [{ path: given, message, example }]
}
