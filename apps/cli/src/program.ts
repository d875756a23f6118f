import { readFileSync } from 'node:fs'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { examples, looking } from './command-parts.ts'
import { addCheck } from './check/check-program.ts'
import { addDeadLetters } from './dead-letters/dead-letters-program.ts'
import { get, rids, search, watch } from './inspect/commands.ts'
import { health } from './inspect/health.ts'
import type { LookOptions } from './inspect/locate.ts'
import type { Io } from './io.ts'
import { DEFAULT_PORT, ROLE_NAMES } from './roles.ts'
import { runRole } from './run-role.ts'
import type { NodeChoice } from './state/node-folder.ts'
import { withStop } from './stop-signals.ts'
import { BACKENDS } from './up/backend.ts'
import type { UpOptions } from './up/up-command.ts'

/** The command line: what each command is for, with examples to copy. */
export const createProgram = (io: Io): Command => {
  const program = new Command('koi-mcp')
    .description(
      'A KOI network on this machine, and a look into a running one.\n' +
        'Files become knowledge that every node is told of, and that any MCP client can read.',
    )
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help; also: koi-mcp COMMAND --help')
    .helpCommand(false)
    .showHelpAfterError('Try --help.')
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .exitOverride()
    .addHelpText(
      'after',
      examples(
        ['koi-mcp up', 'three services with the example data'],
        ['koi-mcp up --data ~/datasets', 'with your own CSV, TSV, JSON and Parquet files'],
        ['koi-mcp rids', 'what the running network knows'],
        ['koi-mcp search planets', 'full-text search in it'],
      ),
    )
  addUp(program, io)
  addRun(program)
  addInspection(program, io)
  addDeadLetters(program, io)
  addCheck(program, io)
  addState(program, io)
  return program
}

const addUp = (program: Command, io: Io): void => {
  program
    .command('up')
    .description(
      'Run a whole network: coordinator, producer and mcp-gateway.\n' +
        'Ctrl-C stops it; the next start goes on where it stopped, also after a crash.',
    )
    .option('--data <dir>', 'folder to catalogue, with its subfolders (default: the examples)')
    .option('--state <dir>', 'folder for keys, caches and queues', '.koi')
    .option('--port <n>', 'first of three ports; 0 takes any that are free', firstPort, DEFAULT_PORT)
    .addOption(
      new Option('--backend <servers>', 'keep it all on database servers, not in files (see below)').choices(BACKENDS),
    )
    .option('--replicas <n>', 'processes of each service, behind its one address; needs --backend', replicas, 1)
    .option('--json', 'JSON lines on standard output, everything else on standard error')
    .option('--verbose', "show every line of the services' logs")
    .addHelpText(
      'after',
      examples(
        ['koi-mcp up --data ~/datasets', 'catalogue a folder, and follow it'],
        ['koi-mcp up --port 7100', 'on ports 7100, 7101 and 7102'],
        ['koi-mcp up --port 0 --state /tmp/koi', 'beside another network'],
        ['koi-mcp up --json > events.jsonl', 'the addresses, then every event, for a script'],
        ['koi-mcp up --backend redis+postgres --replicas 3', 'nine processes that share two servers'],
      ),
    )
    .addHelpText('after', BACKENDS_HELP)
    .action((options: UpOptions) =>
      withStop(async (stop) => (await import('./up/up-command.ts')).up(options, io, stop)),
    )
}

const addRun = (program: Command): void => {
  program
    .command('run')
    .description('Run a single role, configured by a file (JSON or YAML) and by KOI_MCP_* variables, which win.')
    .addOption(
      new Option('--role <role>', 'what to run; mcp-gateway is another name of consumer')
        .choices(ROLE_NAMES)
        .makeOptionMandatory(),
    )
    .option('--config <file>', 'configuration; else KOI_MCP_CONFIG, else /etc/koi-mcp/config.json where it exists')
    .addHelpText(
      'after',
      examples(
        ['koi-mcp run --role coordinator', 'with defaults, on port 9000'],
        ['koi-mcp run --role producer --config producer.yaml', 'with a file'],
        ['KOI_MCP_NODE__PORT=7105 koi-mcp run --role consumer', 'section and key, joined by two underscores'],
      ),
    )
    .action(({ role, config }: { role: (typeof ROLE_NAMES)[number]; config?: string }) => runRole(role, config))
}

const addInspection = (program: Command, io: Io): void => {
  looking(program.command('rids'), 'List the RIDs of all that is known, one a line.')
    .option('--type <type...>', 'only these RID types')
    .addHelpText('after', examples(['koi-mcp rids --type orn:data-catalog.dataset', 'datasets alone']))
    .action(({ type, ...options }: LookOptions & { type?: string[] }) =>
      withStop(({ signal }) => rids({ ...options, types: type ?? [] }, io, signal)),
    )
  looking(program.command('get'), 'Print what is known of an RID: its manifest and contents.')
    .addArgument(new Argument('<rid>', 'as `koi-mcp rids` prints it; quote it for the shell'))
    .addHelpText('after', examples(["koi-mcp get 'orn:data-catalog.dataset:data/planets.csv'", 'a dataset']))
    .action((rid: string, options: LookOptions) => withStop(({ signal }) => get(rid, options, io, signal)))
  looking(program.command('search'), 'Search RIDs and contents: all words must be there, the last may be a beginning.')
    .addArgument(new Argument('<text...>', 'the words'))
    .option('--type <type...>', 'only these RID types')
    .option('--limit <n>', 'how many at most (to 200)', limit, 20)
    .addHelpText(
      'after',
      examples(['koi-mcp search planets ma', 'what has the word planets, and another that begins with ma']),
    )
    .action((words: string[], { type, ...options }: LookOptions & { type?: string[]; limit: number }) =>
      withStop(({ signal }) => search(words.join(' '), { ...options, types: type ?? [] }, io, signal)),
    )
  looking(program.command('watch'), 'Print a line for each thing that happens in a node, until Ctrl-C.')
    .addHelpText(
      'after',
      examples(
        ['koi-mcp watch', 'what reaches the gateway'],
        ['koi-mcp watch --url http://127.0.0.1:9001 --json', 'the producer, for a script'],
      ),
    )
    .action((options: LookOptions) => withStop(({ signal }) => watch(options, io, signal)))
  looking(
    program.command('health'),
    'Ask a service whether it is ready. Exit code 0: it is, perhaps degraded; 1: it is not.',
  )
    .addHelpText(
      'after',
      examples(['koi-mcp health --url http://127.0.0.1:9000', 'what the health check of the image runs']),
    )
    .action((options: LookOptions) => withStop(({ signal }) => health(options, io, signal)))
}

/** The node's own parts are loaded by the commands that need them: the others start without. */
const addState = (program: Command, io: Io): void => {
  ofNode(program.command('backup'))
    .description(
      'Copy a node, its key and all it holds, into a new folder. The node may run, and goes on.\n' +
        'The copy is of one moment, checked, and there whole or not at all.',
    )
    .addArgument(new Argument('<folder>', 'where nothing is yet'))
    .option('--token <token>', 'what its service asks for (default: the variable KOI_MCP_TOKEN)')
    .option('--json', 'JSON, for scripts')
    .addHelpText(
      'after',
      examples(
        ['koi-mcp backup --name coordinator backups/monday', 'a node of the network in .koi'],
        ['koi-mcp backup --storage /var/lib/koi backups/monday', 'a single node, by its persistence.storage_path'],
      ),
    )
    .action((folder: string, options: NodeChoice & { json?: boolean }) =>
      withStop(async ({ signal }) => (await import('./state/backup.ts')).backup(folder, options, io, signal)),
    )
  ofNode(program.command('restore'))
    .description(
      'Check a backup and put it back: the next start is that node, as of that moment.\n' +
        'Never run two copies of one node: they are one identity twice.',
    )
    .addArgument(new Argument('<backup>', 'what koi-mcp backup made'))
    .option('--force', 'move what is in the state folder into a folder within it')
    .addHelpText(
      'after',
      examples(
        ['koi-mcp restore backups/monday', 'where "koi-mcp up" looks for the node of that name'],
        ['koi-mcp restore backups/monday --storage /var/lib/koi', 'for a service with that persistence.storage_path'],
      ),
    )
    .action((folder: string, options: NodeChoice & { force?: boolean }) =>
      withStop(async () => (await import('./state/restore.ts')).restore(folder, options, io)),
    )
  ofNode(program.command('rotate-key'))
    .description(
      'Give a stopped node a new key. That makes it a new node, for its RID is made of the key:\n' +
        'the next start says goodbye for the old one, and everybody goes on with what it published.',
    )
    .option('--json', 'JSON, for scripts')
    .addHelpText(
      'after',
      examples(
        ['koi-mcp rotate-key --name producer', 'a node of the network in .koi'],
        ['koi-mcp rotate-key --storage /var/lib/koi', 'a single node, by its persistence.storage_path'],
      ),
    )
    .action((options: NodeChoice & { json?: boolean }) =>
      withStop(async ({ signal }) => (await import('./state/rotate-key.ts')).rotate(options, io, signal)),
    )
}

/** What the commands about a node's state folder share. */
const ofNode = (command: Command): Command =>
  command
    .option('--name <name>', "the node's name in the network of --state")
    .option('--state <dir>', 'state folder of a network', '.koi')
    .option('--storage <dir>', 'state folder of a single node, in place of --name and --state')

const BACKENDS_HELP = `Backends:
  redis+postgres  the knowledge and all that is to be done in Postgres; Redis wakes the processes (it may be lost)
  postgres        the same, woken by Postgres itself
  redis           all of it in Redis
The servers are started in the state folder (packages redis-server and postgresql), unless REDIS_URL and DATABASE_URL
name others; Ctrl-C stops them, and the next start finds their data. A process that ends is started again.
SIGUSR2 restarts every replica, one at a time: kill -USR2 PID loses no request.`

const replicas = (text: string): number => {
  const value = Number(text)
  if (/^\d{1,2}$/u.test(text) && value >= 1 && value <= 32) return value
  throw new InvalidArgumentError('Give a number from 1 to 32.')
}

const firstPort = (text: string): number => {
  const port = Number(text)
  // The other two services take the two ports after it.
  if (/^\d{1,5}$/u.test(text) && port <= 65_533) return port
  throw new InvalidArgumentError('Give a number from 1 to 65533, or 0 for any free ports.')
}

const limit = (text: string): number => {
  const value = Number(text)
  if (/^\d{1,3}$/u.test(text) && value >= 1 && value <= 200) return value
  throw new InvalidArgumentError('Give a number from 1 to 200.')
}

const version = (): string => {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
