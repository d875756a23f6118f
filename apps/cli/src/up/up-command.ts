import { resolve } from 'node:path'
import { CliError, messageOf } from '../errors.ts'
import type { Io, Stop } from '../io.ts'
import { OwnedStateFolder, readRunningNetwork } from '../state-folder.ts'
import { readyText, runningJson } from './announcement.ts'
import type { Backend } from './backend.ts'
import { dataFolder } from './folders.ts'
import { checkPorts } from './ports.ts'
import { ReplicatedNetwork } from './replicas/replicated-network.ts'
import { UpReport } from './report.ts'
import { restartOnSignal } from './rolling-restart.ts'
import type { LocalNetwork, Running } from './running.ts'
import type { NetworkPlan } from './service-plan.ts'
import { Services, leftoversGone } from './services.ts'

export interface UpOptions {
  /** The folder to catalogue; the examples by default. */
  readonly data?: string | undefined
  readonly state: string
  /** The first of three; 0 = any that are free. */
  readonly port: number
  /** Absent = each service has its store in a file. */
  readonly backend?: Backend | undefined
  /** Processes of each service. */
  readonly replicas: number
  readonly json?: boolean
  readonly verbose?: boolean
}

/** Runs the whole network until it is told to stop (resolves), or a service ends that nobody starts again (a `CliError`). */
export const up = async (options: UpOptions, io: Io, stop: Stop): Promise<void> => {
  const { backend, replicas } = options
  if (backend === undefined && replicas > 1) {
    throw new CliError(
      'Without --backend each service has its store in a file, which one process owns. Choose where the replicas share theirs: --backend redis+postgres, postgres or redis.',
    )
  }
  const data = await dataFolder(options.data, io.cwd)
  const folder = await OwnedStateFolder.own(resolve(io.cwd, options.state))
  const report = new UpReport(io, options)
  const plan = { port: options.port, state: folder.path, data, verbose: options.verbose === true, env: io.env }
  const started = new Date().toISOString()
  const announce = (running: Running): Promise<void> => folder.announce({ pid: process.pid, started, ...running })
  const onChange = (running: Running): void => {
    if (stop.signal.aborted) return
    report.replicas(running)
    announce(running).catch((error: unknown) => report.warn('koi-mcp', `the state folder: ${messageOf(error)}`))
  }
  const network = networkOf(plan, options, report, onChange)
  const forget = network instanceof ReplicatedNetwork ? restartOnSignal(network, report, stop.signal) : undefined
  try {
    const left = await leftovers(folder.path)
    await leftoversGone(left, stop.signal, () => report.say('Waiting for services of an earlier run to end…'))
    await checkPorts(options.port)
    const running = await network.start(stop.signal)
    await announce(running)
    const folders = { data, state: folder.path }
    report.ready(running, options.json ? runningJson('ready', running) : readyText(running, folders, report.paint))
    await Promise.race([aborted(stop.signal), network.died()])
  } catch (error) {
    // Whatever falls over while everything is being stopped was asked to.
    if (!stop.signal.aborted) throw error
  } finally {
    report.stopping()
    await folder.withdraw()
    await network.stop(stop.hurry)
    folder.release()
    forget?.()
  }
  report.say('Stopped.')
}

const networkOf = (
  plan: NetworkPlan,
  { backend, replicas }: UpOptions,
  report: UpReport,
  onChange: (running: Running) => void,
): LocalNetwork => {
  if (backend === undefined) {
    report.say('Starting coordinator, producer and mcp-gateway…')
    return new Services(plan, report)
  }
  const say = (text: string): void => report.say(text)
  return new ReplicatedNetwork({ plan, backend, replicas, listener: report, say, onChange })
}

/** Processes of an earlier run that was killed. */
const leftovers = async (folder: string): Promise<readonly number[]> => {
  const network = await readRunningNetwork(folder)
  const servers = Object.values(network?.servers ?? {})
  return [...(network?.services ?? []), ...servers].flatMap((process) =>
    'pids' in process ? process.pids : 'pid' in process ? process.pid : [],
  )
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
