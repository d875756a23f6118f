import type { SettingsProblem } from './settings-error.ts'

const PREFIX = 'KOI_MCP_'

/** A variable `KOI_MCP_A__B` as it stands: path in lower case, text unread. */
export interface VariableSetting {
  readonly variable: string
  readonly path: readonly string[]
  readonly text: string
}

/** Variables of the prefix that are no settings: the configuration file's name, and what the command line's client uses. */
const RESERVED = new Set(['KOI_MCP_CONFIG', 'KOI_MCP_URL', 'KOI_MCP_TOKEN'])

/** What Kubernetes puts beside every container for a Service whose name starts with `koi-mcp`. */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/

/**
 * The settings among the variables, least specific path first. Names count without case; a variable set to nothing counts as not set.
 * Problems: a malformed name, and one setting given twice with different texts.
 */
export function readVariables(env: Readonly<Record<string, string | undefined>>): {
  readonly settings: readonly VariableSetting[]
  readonly problems: readonly SettingsProblem[]
} {
  const settings = new Map<string, VariableSetting>()
  const problems: SettingsProblem[] = []
  for (const [variable, text] of Object.entries(env)) {
    const name = variable.toUpperCase()
    if (!name.startsWith(PREFIX) || RESERVED.has(name) || text === undefined || text === '') continue
    if (!name.slice(PREFIX.length).includes('__') && SERVICE_LINK.test(name)) continue
    const path = variable.slice(PREFIX.length).toLowerCase().split('__')
    const earlier = settings.get(name)
    if (path.includes('')) {
      problems.push({
        path: path.join('.'),
        variable,
        message: 'is no name of a setting',
        example: 'KOI_MCP_NODE__PORT',
      })
    } else if (earlier !== undefined && earlier.text !== text) {
      problems.push({
        path: path.join('.'),
        variable,
        message: `says something else than ${earlier.variable}: keep one of them`,
      })
    } else {
      settings.set(name, { variable, path, text })
    }
  }
  return { settings: [...settings.values()].sort((a, b) => a.path.length - b.path.length), problems }
}
