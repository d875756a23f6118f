import { DataCatalogExtension } from '@koi-mcp/data-catalog'
import type { DomainExtension } from '@koi-mcp/core'
import type { KoiMcpSettings, SettingsProblem } from '@koi-mcp/platform'

/** Under file and variables: what the producer is called and where it listens. */
export const defaults = { node: { name: 'producer', port: 9001 } }

/** The kinds of knowledge that this producer publishes; `domains.<name>.enabled` switches one off. */
export const domains = (): readonly DomainExtension[] => [new DataCatalogExtension()]

/** What `domains.data_catalog.config` may hold. */
export interface CatalogConfig {
  /** The folder whose data files are catalogued. Absent: only what is given to `POST /publish`. */
  readonly folder?: string
  /** The first part of the datasets' RIDs; by default the folder's name. */
  readonly source?: string
}

const PATH = 'domains.data_catalog.config'
const MAX_SOURCE_BYTES = 64

/** The first part of an RID's reference leaves room for the rest. */
function isSourceName(name: unknown): boolean {
  return typeof name === 'string' && /^[^/\0]+$/.test(name) && Buffer.byteLength(name) <= MAX_SOURCE_BYTES
}

const KEYS: Readonly<Record<string, { valid: (value: unknown) => boolean; message: string; example: string }>> = {
  folder: {
    valid: (value) => typeof value === 'string' && value !== '',
    message: 'must be the path of a folder',
    example: '/data',
  },
  source: {
    valid: isSourceName,
    message: `must be text without / of at most ${MAX_SOURCE_BYTES} bytes`,
    example: 'sales',
  },
}

export function check(settings: KoiMcpSettings): readonly SettingsProblem[] {
  return Object.entries(settings.domains['data_catalog']?.config ?? {}).flatMap(([key, value]) => {
    const path = `${PATH}.${key}`
    const rule = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined
    if (rule === undefined) return { path, message: `is not known; known are ${Object.keys(KEYS).join(', ')}` }
    return rule.valid(value) ? [] : { path, message: rule.message, example: rule.example }
  })
}

/** `undefined` where the domain is switched off. */
export function catalogConfig({ domains: { data_catalog } }: KoiMcpSettings): CatalogConfig | undefined {
  return data_catalog?.enabled === true ? data_catalog.config : undefined
}
