import { resolve } from 'node:path'
import type { Io, Stop } from '../io.ts'
import { OwnedStateFolder, readRunningNetwork } from '../state-folder.ts'
import { readyJson, readyText } from './announcement.ts'
import { dataFolder } from './folders.ts'
import { checkPorts } from './ports.ts'
import { UpReport } from './report.ts'
import { Services, leftoversGone } from './services.ts'

export interface UpOptions {
  /** The folder to catalogue; the examples by default. */
  readonly data?: string | undefined
  readonly state: string
  /** The first of three; 0 = any that are free. */
  readonly port: number
  readonly json?: boolean
  readonly verbose?: boolean
}

/** Runs the whole network until it is told to stop (resolves), or a service ends unasked (a `CliError`). */
export const up = async (options: UpOptions, io: Io, stop: Stop): Promise<void> => {
  const data = await dataFolder(options.data, io.cwd)
  const folder = await OwnedStateFolder.own(resolve(io.cwd, options.state))
  const report = new UpReport(io, options)
  const plan = { port: options.port, state: folder.path, data, verbose: options.verbose === true, env: io.env }
  const services = new Services(plan, report)
  try {
    report.say('Starting coordinator, producer and mcp-gateway…')
    const leftovers = (await readRunningNetwork(folder.path))?.services.map(({ pid }) => pid) ?? []
    await leftoversGone(leftovers, stop.signal, () => report.say('Waiting for services of an earlier run to end…'))
    await checkPorts(options.port)
    const running = await services.start(stop.signal)
    await folder.announce({ pid: process.pid, started: new Date().toISOString(), services: running })
    const folders = { data, state: folder.path }
    report.ready(running, options.json ? readyJson(running) : readyText(running, folders, report.paint))
    await Promise.race([aborted(stop.signal), services.died()])
  } catch (error) {
    // Whatever falls over while everything is being stopped was asked to.
    if (!stop.signal.aborted) throw error
  } finally {
    report.stopping()
    await folder.withdraw()
    await services.stop(stop.hurry)
    folder.release()
  }
  report.say('Stopped.')
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
