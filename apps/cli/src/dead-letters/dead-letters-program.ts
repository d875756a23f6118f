import { Argument, InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { examples, looking } from '../command-parts.ts'
import type { LookOptions } from '../inspect/locate.ts'
import type { Io } from '../io.ts'
import { withStop } from '../stop-signals.ts'
import { drop, list, replay, show } from './commands.ts'

/** `koi-mcp dead-letters …` */
export const addDeadLetters = (program: Command, io: Io): void => {
  const group = program
    .command('dead-letters')
    .helpCommand(false)
    .description(
      'Events that a handler of a node failed on for good, or as often as the node tries.\n' +
        'Nothing else waits for them. Mend what failed and replay them, or drop them.',
    )
    .addHelpText(
      'after',
      examples(
        ['koi-mcp dead-letters list --name producer', 'those of a node of the running network'],
        ['koi-mcp dead-letters show 17 --name producer', 'why the event at place 17 failed, and what it carries'],
        ['koi-mcp dead-letters replay --all --name producer', 'after the handler was mended'],
      ),
    )
  const command = (name: string, description: string): Command =>
    looking(group.command(name), description).option('--name <name>', 'the node of that network to ask')
  command('list', 'List them by place: when each failed, how often it was tried, what it is about, and the last error.')
    .addHelpText('after', examples(['koi-mcp dead-letters list --json', 'a JSON object a line, for scripts']))
    .action((options: LookOptions) => withStop(({ signal }) => list(options, io, signal)))
  command('show', 'Print one whole: the event with its manifest and contents, and every attempt with its error.')
    .addArgument(placeArgument('<place>'))
    .action((at: number, options: LookOptions) => withStop(({ signal }) => show(at, options, io, signal)))
  command(
    'replay',
    'Handle them again, behind what waits for the same RID. What came later meanwhile stays.\n' +
      'One that fails again is a dead letter with a new place.',
  )
    .addArgument(placeArgument('[place]'))
    .option('--all', 'all that are there now')
    .action((place: number | undefined, { all, ...options }: LookOptions & { all?: boolean }) =>
      withStop(({ signal }) => replay({ place, all }, options, io, signal)),
    )
  command('drop', 'Give them up for good.')
    .addArgument(placeArgument('[place]'))
    .option('--all', 'all that are there now')
    .action((place: number | undefined, { all, ...options }: LookOptions & { all?: boolean }) =>
      withStop(({ signal }) => drop({ place, all }, options, io, signal)),
    )
}

const placeArgument = (name: string): Argument =>
  new Argument(name, 'the number in the first column of "koi-mcp dead-letters list"').argParser((text) => {
    const place = Number(text)
    if (/^\d{1,16}$/u.test(text) && place >= 1 && place <= Number.MAX_SAFE_INTEGER) return place
    throw new InvalidArgumentError('Give a whole number above 0.')
  })
