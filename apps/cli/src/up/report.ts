import { painter, printLine, widthOf } from '../io.ts'
import type { Io, Paint } from '../io.ts'
import type { NetworkEvent } from '../network-event.ts'
import { eventJson, eventLine } from '../output/event-line.ts'
import { LiveLines } from '../output/live-lines.ts'
import { APP_OF } from '../roles.ts'
import type { Role } from '../roles.ts'
import { processesText, runningJson } from './announcement.ts'
import { logText, warning } from './log-line.ts'
import type { LogLine } from './log-line.ts'
import type { Running } from './running.ts'
import type { ServiceListener } from './service-process.ts'

/**
 * All that `koi-mcp up` prints. For people: the network on standard output, faults on standard error. With `--json`: JSON lines of the network on
 * standard output, everything else on standard error. Events before the `ready` line wait for it.
 */
export class UpReport implements ServiceListener {
  readonly paint: Paint
  readonly #io: Io
  readonly #json: boolean
  readonly #verbose: boolean
  readonly #lines: LiveLines
  #running: Running = { services: [] }
  #waiting: (() => void)[] | undefined = []
  #stopping = false

  constructor(io: Io, options: { json?: boolean; verbose?: boolean }) {
    this.#io = io
    this.#json = options.json === true
    this.#verbose = options.verbose === true
    this.paint = painter(io, io.stdout)
    this.#lines = new LiveLines((line) => printLine(io.stdout, line))
  }

  say(text: string): void {
    this.#lines.flush()
    printLine(this.#json ? this.#io.stderr : this.#io.stdout, text)
  }

  ready(running: Running, text: string): void {
    this.#running = running
    printLine(this.#io.stdout, text)
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const show of waiting) show()
  }

  /** Other processes run than were told of. */
  replicas(running: Running): void {
    if (this.#waiting !== undefined) return void this.#waiting.push(() => this.replicas(running))
    this.#running = running
    if (this.#json) printLine(this.#io.stdout, runningJson('replicas', running))
    else this.say(processesText(running))
  }

  warn(name: string, message: string): void {
    this.onLog(name, warning(message))
  }

  onEvent(role: Role, event: NetworkEvent): void {
    if (this.#waiting === undefined) this.#show(role, event)
    else this.#waiting.push(() => this.#show(role, event))
  }

  /** The progress of cataloguing, warnings and errors; with `--verbose` all. */
  onLog(name: string, line: LogLine): void {
    const progress = progressText(line)
    if (progress !== undefined && !this.#verbose) return this.#stopping ? undefined : this.say(progress)
    // A line that is no log line tells of a fault, or of debris while the service is being stopped.
    const matters = line.structured ? line.level === 'warn' || line.level === 'error' : true
    if (!this.#verbose && (!matters || this.#stopping)) return
    this.#lines.flush()
    const paint = painter(this.#io, this.#io.stderr)
    const colour = line.level === 'error' ? 'red' : line.level === 'warn' ? 'yellow' : 'dim'
    printLine(this.#io.stderr, `${paint(colour, `${line.level.padEnd(5)} ${name}`)}  ${logText(line)}`)
  }

  stopping(): void {
    this.#stopping = true
    this.say('Stopping…')
  }

  #show(role: Role, event: NetworkEvent): void {
    const node = this.#running.services.find((service) => service.role === role)
    if (this.#json) printLine(this.#io.stdout, eventJson(event, { role, node_rid: node?.node_rid }))
    else this.#lines.add(eventLine(event, APP_OF[role], widthOf(this.#io.stdout), this.paint))
  }
}

/** The producer logs how far it is with `done`, `total` and `failed`. */
const progressText = ({ fields }: LogLine): string | undefined => {
  const { done, total, failed } = fields
  if (typeof done !== 'number' || typeof total !== 'number') return undefined
  const bad = typeof failed === 'number' && failed > 0 ? `, ${count(failed)} of them not readable as tables` : ''
  return done < total
    ? `Cataloguing: ${count(done)} of ${count(total)} files${bad}…`
    : `Catalogued ${count(total)} ${total === 1 ? 'file' : 'files'}${bad}.`
}

const count = (value: number): string => value.toLocaleString('en')
