import type { Command } from 'commander'

/** What the commands that look into a running network share. */
export const looking = (command: Command, description: string): Command =>
  command
    .description(description)
    .option('--url <url>', 'a service to ask (default: the gateway of the network that runs with --state)')
    .option('--state <dir>', 'state folder of the running network', '.koi')
    .option('--token <token>', 'what the service asks for (default: the variable KOI_MCP_TOKEN)')
    .option('--json', 'JSON, for scripts')

/** Command lines to copy, each with what it does; for the end of a help. */
export const examples = (...rows: readonly (readonly [command: string, what: string])[]): string => {
  const width = Math.max(...rows.map(([command]) => command.length))
  return `\nExamples:\n${rows.map(([command, what]) => `  ${command.padEnd(width)}  # ${what}`).join('\n')}\n`
}
