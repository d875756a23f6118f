/** One thing that is wrong with the configuration. */
export interface SettingsProblem {
  /** `network.first_contact`; empty for a problem of a whole file or of the command line. */
  readonly path: string
  /** What is wrong, without the value: it may be a secret that went astray. */
  readonly message: string
  readonly example?: string | undefined
  /** The variable at fault, where it is not the one that the path has. */
  readonly variable?: string | undefined
}

/** The configuration cannot be used; the message lists every problem, its variable and an example. */
export class SettingsError extends Error {
  readonly code = 'SETTINGS'
  readonly problems: readonly SettingsProblem[]
  constructor(problems: readonly SettingsProblem[]) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
    super([`The configuration has ${count}:`, ...problems.map((problem) => `  ${describe(problem)}`)].join('\n'))
    this.name = 'SettingsError'
    this.problems = problems
  }
}

/** The variable that sets a path: `network.first_contact` → `KOI_MCP_NETWORK__FIRST_CONTACT`. */
export function variableOf(path: string): string {
  return `KOI_MCP_${path.replaceAll('.', '__').toUpperCase()}`
}

function describe({ path, message, example, variable }: SettingsProblem): string {
  const name = path === '' ? '' : `${path} (${variable ?? variableOf(path)}) `
  return `${name}${message}${message.endsWith('?') ? '' : '.'}${example === undefined ? '' : ` Example: ${example}`}`
}
