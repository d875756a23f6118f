import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { guardedServer, silentLogger } from '@koi-mcp/core'
import { HOST } from '../service-plan.ts'
import { Forwarding } from './forwarding.ts'
import { Target } from './target.ts'

/**
 * The one address of a node with several replicas: each request goes to the next of them. It listens on this machine alone, and calls a replica
 * from the address that it was called from: to the services, which treat callers by their address, it is not there.
 */
export class Balancer {
  readonly url: string
  readonly #server: Server
  #targets: Target[] = []

  /** Rejects with the system's error where the port is taken; 0 takes any that is free. */
  static async listen(port: number): Promise<Balancer> {
    const server = guardedServer(
      (request, response) => {
        new Forwarding(request, response, (tried) => balancer.#next(tried)).begin()
      },
      { log: silentLogger },
    )
    server.listen(port, HOST)
    await once(server, 'listening')
    const balancer = new Balancer(server)
    return balancer
  }

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://${HOST}:${(server.address() as AddressInfo).port}`
  }

  add(port: number): Target {
    const target = new Target(port)
    this.#targets.push(target)
    return target
  }

  /** Sends it nothing any more. What it has goes on; `target.idle` tells when that is done. */
  remove(target: Target): void {
    this.#targets = this.#targets.filter((other) => other !== target)
  }

  /** Takes nobody any more; resolves when those who are here have gone, and after `graceMs` without waiting for them. */
  async close(graceMs: number): Promise<void> {
    const cut = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    this.#server.close()
    await once(this.#server, 'close')
    clearTimeout(cut)
  }

  /** The next in turn that was not tried; one that is not well only where no other is left. */
  #next(tried: ReadonlySet<Target>): Target | undefined {
    const others = this.#targets.filter((target) => !tried.has(target))
    const target = others.find(({ isWell }) => isWell) ?? others[0]
    if (target !== undefined) this.#targets = [...this.#targets.filter((other) => other !== target), target]
    return target
  }
}
