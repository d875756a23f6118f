import { parseArgs } from 'node:util'
import { loadSettings } from '../config/load-settings.ts'
import type { SettingsSources } from '../config/load-settings.ts'
import { readTextFile } from '../config/read-text-file.ts'
import type { KoiMcpSettings } from '../config/settings.ts'
import { createLogger } from '../logs/create-logger.ts'
import { flushTraces } from '../traces/flush-traces.ts'
import { explainError } from './explain-error.ts'
import type { ServiceNode } from './service-node.ts'
import { startService } from './start-service.ts'
import type { ServiceParts } from './start-service.ts'

/** A service as an application defines it: its parts, and what its configuration may hold. */
export interface ServiceDefinition<N extends ServiceNode>
  extends ServiceParts<N>, Pick<SettingsSources, 'defaults' | 'domains' | 'check'> {}

/** What a service uses of the process it runs in: `process`. */
export type Host = Pick<
  NodeJS.Process,
  'argv' | 'env' | 'pid' | 'stderr' | 'on' | 'off' | 'kill' | 'connected' | 'send' | 'disconnect'
>

/**
 * Runs a service until SIGTERM, SIGINT or SIGHUP, or until the process that started it over IPC is gone, and answers with the exit code. A child
 * with an IPC channel leaves SIGINT and SIGHUP, which a terminal sends to all of them, to its parent; it tells `{event: 'ready', …}` or
 * `{event: 'failed', message}`, and `{event: 'network', …}` with every `LiveEvent`. A second signal ends the process at once.
 */
export async function runService<N extends ServiceNode>(definition: ServiceDefinition<N>, host: Host): Promise<number> {
  const end = endOf(host)
  const parent = parentOf(host)
  let settings: KoiMcpSettings | undefined
  try {
    settings = loadSettings({ ...definition, env: host.env, readFile: readTextFile, configFile: configFile(host.argv) })
    const log = createLogger({ ...settings.logging, role: definition.role })
    host.on('uncaughtExceptionMonitor', (error) =>
      log.error('the service ends on an error that nobody foresaw', { error }),
    )
    const running = await startService(
      { ...definition, onEvent: (event) => void parent.tell({ event: 'network', ...event }) },
      settings,
      log,
    )
    log.info('ready', { ...running.ready, event: undefined, role: undefined })
    await parent.tell(running.ready)
    log.info('stopping', { why: await end.asked })
    await running.stop()
    log.info('stopped')
    return 0
  } catch (error) {
    const message = explainError(error, settings?.node)
    const text = message ?? (error instanceof Error ? (error.stack ?? error.message) : String(error))
    host.stderr.write(`koi-mcp ${definition.role}: ${text}\n`)
    await parent.tell({ event: 'failed', role: definition.role, message: message ?? String(error) })
    return 1
  } finally {
    await flushTraces()
    end.forget()
    if (host.connected) host.disconnect?.()
  }
}

function configFile(argv: readonly string[]): string | undefined {
  return parseArgs({ args: argv.slice(2), options: { config: { type: 'string' } } }).values.config
}

/** Messages that the parent has not taken yet; what happens in the node is not told to one that falls behind further. */
const MAX_UNTOLD = 10_000

/** The process that started this one, where it listens. Told messages resolve when they are sent, or cannot be. */
function parentOf(host: Host): { tell(message: object): Promise<void> } {
  let untold = 0
  return {
    tell: (message) =>
      new Promise((resolve) => {
        if (!host.connected || host.send === undefined || untold >= MAX_UNTOLD) return resolve()
        untold++
        host.send(message, undefined, undefined, () => {
          untold--
          resolve()
        })
      }),
  }
}

/** When the process is asked to end, and why. */
function endOf(host: Host): { readonly asked: Promise<string>; forget(): void } {
  const { promise: asked, resolve } = Promise.withResolvers<string>()
  const isChild = host.connected
  let signals = 0
  const onSignal = (signal: NodeJS.Signals) => {
    if (isChild && signal !== 'SIGTERM') return
    resolve(signal)
    if (++signals < 2) return
    // Without a listener the signal does what it always does.
    for (const name of SIGNALS) host.off(name, onSignal)
    host.kill(host.pid, signal)
  }
  const onDisconnect = () => resolve('the process that started it is gone')
  for (const signal of SIGNALS) host.on(signal, onSignal)
  if (isChild) host.on('disconnect', onDisconnect)
  return { asked, forget: () => void host.off('disconnect', onDisconnect) }
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
