import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DomainExtension, serveNode, silentLogger } from '@koi-mcp/core'
import type { Carried, HttpServer, KnowledgeAdapter, KoiNode, NodeOptions } from '@koi-mcp/core'
import { defineRidType } from '@koi-mcp/protocol'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'

export const NoteRID = defineRidType('orn:notes.note')

/** Keeps the RIDs of the notes that it was shown. */
class NotesAdapter implements KnowledgeAdapter {
  readonly name = 'notes'
  readonly ridTypes = [NoteRID]
  readonly seen = new Set<string>()
  register({ rid }: { rid: string }): void {
    this.seen.add(rid)
  }
  forget(rid: string): void {
    this.seen.delete(rid)
  }
}

export class NotesExtension extends DomainExtension {
  readonly name = 'notes'
  readonly adapter = new NotesAdapter()
  override get ridTypes() {
    return [NoteRID]
  }
  override get adapters() {
    return [this.adapter]
  }
}

/** Nodes of one identity behind one address, which calls them in turn. */
export class Replicas {
  readonly folder: string
  readonly #nodes: KoiNode[] = []
  #balancer: HttpServer | undefined
  #turn = 0

  private constructor(folder: string) {
    this.folder = folder
  }

  static async behind(): Promise<Replicas> {
    const replicas = new Replicas(await mkdtemp(join(tmpdir(), 'koi-replicas-')))
    const carried: Carried = {
      handleRequest: (path, body, from) => replicas.#next().handleRequest(path, body, from),
      wellKnown: () => replicas.#next().wellKnown(),
    }
    const at = { host: '127.0.0.1', port: 0, basePath: '/koi-net', log: silentLogger }
    replicas.#balancer = await serveNode(carried, at)
    return replicas
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#balancer?.port}/koi-net`
  }

  /** One more process of the node, as far as it can tell. */
  node<N extends KoiNode>(
    role: new (options: NodeOptions & { baseUrl: string }) => N,
    url: string,
    schema: string,
    firstContact: string,
    options: Pick<NodeOptions, 'openQueue' | 'lanesAtOnce'> = {},
  ): N & { readonly notes: Set<string> } {
    const notes = new NotesExtension()
    const node = new role({
      name: 'replicated',
      baseUrl: this.baseUrl,
      listen: false,
      privateKeyFile: join(this.folder, 'private.pem'),
      openStore: (context) => openPostgresStore({ url, schema, ...context }),
      domains: [notes],
      firstContact,
      ...options,
    })
    return Object.assign(node, { notes: notes.adapter.seen })
  }

  async start<N extends KoiNode>(node: N): Promise<N> {
    await node.start()
    this.#nodes.push(node)
    return node
  }

  async stop(node: KoiNode): Promise<void> {
    this.#nodes.splice(this.#nodes.indexOf(node), 1)
    await node.stop()
  }

  async down(): Promise<void> {
    await this.#balancer?.close()
    await Promise.all(this.#nodes.splice(0).map((node) => node.stop()))
    await rm(this.folder, { recursive: true })
  }

  #next(): KoiNode {
    const node = this.#nodes[this.#turn++ % this.#nodes.length]
    if (node === undefined) throw new Error('no process of this node is up')
    return node
  }
}

/** A way to a server that can be cut and mended. */
export class Cable {
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((near) => {
    if (this.#isCut) return void near.destroy()
    const far = this.#connect()
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  readonly #url: URL
  #isCut = false

  /** @param server the URL of a Postgres server */
  constructor(server: string) {
    this.#url = new URL(server)
  }

  async lay(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const url = new URL(this.#url)
    url.searchParams.delete('host')
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return url.href
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  async remove(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #connect(): Socket {
    const { hostname, port, searchParams } = this.#url
    const folder = searchParams.get('host')
    return folder === null ? connect(Number(port || 5432), hostname) : connect(join(folder, '.s.PGSQL.5432'))
  }
}
