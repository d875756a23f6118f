import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { currentExemplar } from './exemplar.ts'
import type { Exemplar } from './exemplar.ts'
import { CONTENT_TYPES, expositionText } from './exposition.ts'
import type { Exposed } from './exposition.ts'

/** A metric as it is written down in docs/metrics.md. */
export interface MetricDefinition {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly labels: readonly string[]
}

/** Counts what happened. */
export interface PrometheusCounter<L extends string = string> {
  inc(labels: Readonly<Record<L, string>>, count?: number): void
}

/** Times in seconds. An observation made within a recorded trace points to it, where the format of the scrape can say so. */
export interface Timings<L extends string = string> {
  observe(labels: Readonly<Record<L, string>>, seconds: number, exemplar?: Exemplar): void
}

/** What a gauge shows at a scrape. Without labels: at most one value. None: the series is left out. */
export type GaugeValues<L extends string> = Iterable<readonly [labels: Readonly<Record<L, string>>, value: number]>

/** From a millisecond to half a minute, which is where calls are given up. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** The metrics of one process, in a registry of their own. Every series bears the labels given here. */
export class PrometheusMetrics {
  // The type that may hold exemplars; what is written is up to the scrape.
  readonly #registry = new Registry()
  readonly #definitions = new Map<string, MetricDefinition>()
  readonly #counters = new Map<string, PrometheusCounter>()

  constructor(labels: Readonly<Record<string, string>> = {}) {
    ;(this.#registry as { setContentType(type: string): void }).setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    this.#registry.setDefaultLabels(labels)
  }

  /** Those that were made here, in that order; not the process's. */
  get definitions(): readonly MetricDefinition[] {
    return [...this.#definitions.values()]
  }

  /** One that is there already under this name is answered as it is. Without labels it shows 0 from the start on. */
  createCounter<L extends string = never>(name: string, help: string, labels: readonly L[] = []): PrometheusCounter<L> {
    const known = this.#counters.get(name)
    if (known !== undefined) return known
    const counter: PrometheusCounter = new Counter(this.#define('counter', name, help, labels))
    this.#counters.set(name, counter)
    return counter
  }

  createTimings<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Timings<L> {
    const histogram = new Histogram<string>({
      ...this.#define('histogram', name, help, labels),
      buckets: SECONDS,
      enableExemplars: true,
    })
    return {
      observe: (of, seconds, exemplar = currentExemplar()) => {
        if (exemplar === undefined) histogram.observe({ labels: of, value: seconds })
        else histogram.observe({ labels: of, value: seconds, exemplarLabels: exemplar })
      },
    }
  }

  /** `read` is asked at each scrape; where it fails, as where it has no values, the gauge has none. */
  createGauge<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[],
    read: () => GaugeValues<L> | Promise<GaugeValues<L>>,
  ): void {
    const show = async (gauge: Gauge): Promise<void> => {
      const values = await Promise.resolve()
        .then(read)
        .catch(() => [])
      gauge.reset()
      // A gauge without labels is reset to zero, not to nothing.
      if (labels.length === 0) gauge.remove()
      for (const [of, value] of values) gauge.set(of, value)
    }
    new Gauge<string>({
      ...this.#define('gauge', name, help, labels),
      collect() {
        return show(this)
      },
    })
  }

  /** Event loop, memory, garbage collection, CPU and handles of this process, as prom-client names them. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** What is shown now, the process's metrics among it. */
  async read(): Promise<readonly Exposed[]> {
    // Its types take `type` for a number; it is the word.
    return (await this.#registry.getMetricsAsJSON()) as unknown as readonly Exposed[]
  }

  /** @param accept the header of the scrape: OpenMetrics, which has exemplars, where it is asked for */
  async expose(accept = ''): Promise<{ readonly contentType: string; readonly text: string }> {
    const format = accept.includes('application/openmetrics-text') ? 'openmetrics' : 'prometheus'
    return { contentType: CONTENT_TYPES[format], text: expositionText(await this.read(), format) }
  }

  /** @throws Error for a name that is taken */
  #define(type: string, name: string, help: string, labels: readonly string[]) {
    if (this.#definitions.has(name)) throw new Error(`two metrics are named ${name}: give one of them another name`)
    this.#definitions.set(name, { name, type, help, labels })
    return { name, help, labelNames: [...labels], registers: [this.#registry] }
  }
}
