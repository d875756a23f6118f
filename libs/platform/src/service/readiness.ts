export type ServiceState = 'starting' | 'ready' | 'draining'

/** Where the service stands in its life. `draining` is aborted when it stops: streams that never end by themselves end then. */
export class Readiness {
  #state: ServiceState = 'starting'
  readonly #draining = new AbortController()

  get state(): ServiceState {
    return this.#state
  }

  get draining(): AbortSignal {
    return this.#draining.signal
  }

  ready(): void {
    if (this.#state === 'starting') this.#state = 'ready'
  }

  drain(): void {
    this.#state = 'draining'
    this.#draining.abort()
  }
}
