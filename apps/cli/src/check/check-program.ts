import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { examples } from '../command-parts.ts'
import type { Io } from '../io.ts'
import { withStop } from '../stop-signals.ts'
import type { CheckOptions } from './check.ts'

export const addCheck = (program: Command, io: Io): void => {
  program
    .command('check')
    .description(
      'Use a running network as its users do: introduce a node, publish, read over MCP, forget.\n' +
        'Exit code 0: all of it works; 1: what does not is said. Nothing is left behind.',
    )
    .requiredOption('--coordinator <url>', 'base URL of a node to be introduced to', address)
    .option('--coordinator-rid <rid>', 'the node that has to answer there')
    .option(
      '--producer <url>',
      'a producer to publish with (token: KOI_MCP_TOKEN or KOI_MCP_SECURITY__PUBLISH_TOKEN)',
      address,
    )
    .option('--mcp <url>', 'an MCP endpoint that has to know of it', address)
    .option('--key <file>', 'private key (PEM, P-256) to be introduced with; default: a new one')
    .option('--name <name>', 'name to be introduced by', 'check')
    .option('--timeout <s>', 'seconds for each step', seconds, 60)
    .addHelpText(
      'after',
      examples(
        ['koi-mcp check --coordinator http://127.0.0.1:9000/koi-net', 'a handshake'],
        [
          'koi-mcp check --coordinator http://127.0.0.1:9000/koi-net --producer http://127.0.0.1:9001 --mcp http://127.0.0.1:9002/mcp',
          'all of "koi-mcp up"',
        ],
      ),
    )
    .action((options: CheckOptions) =>
      withStop(async ({ signal }) => (await import('./check.ts')).check(options, io, signal)),
    )
}

const address = (text: string): string => {
  if (/^https?:\/\//iu.test(text) && URL.canParse(text)) return text
  throw new InvalidArgumentError('Give an http or https URL.')
}

const seconds = (text: string): number => {
  const value = Number(text)
  if (/^\d{1,4}$/u.test(text) && value >= 1 && value <= 3600) return value
  throw new InvalidArgumentError('Give a number of seconds from 1 to 3600.')
}
