import { messageOf } from '../errors.ts'
import type { ReplicatedNetwork } from './replicas/replicated-network.ts'
import type { UpReport } from './report.ts'

/** Restarts all replicas, one at a time, on each SIGUSR2 that comes while none is under way. Returns how to end that. */
export const restartOnSignal = (network: ReplicatedNetwork, report: UpReport, stop: AbortSignal): (() => void) => {
  let isUnderWay = false
  const restart = async (): Promise<void> => {
    if (isUnderWay || stop.aborted) return report.say('SIGUSR2: a restart is under way already.')
    isUnderWay = true
    report.say('Restarting every replica, one at a time…')
    try {
      await network.restart(stop)
      report.say('Restarted every replica.')
    } catch (error) {
      if (!stop.aborted)
        report.warn('koi-mcp', `the restart ended: ${messageOf(error)}; what was not restarted runs on`)
    } finally {
      isUnderWay = false
    }
  }
  const onSignal = (): void => void restart()
  process.on('SIGUSR2', onSignal)
  return () => {
    // Without a listener, one that comes late would end the process.
    process.on('SIGUSR2', () => undefined)
    process.off('SIGUSR2', onSignal)
  }
}
