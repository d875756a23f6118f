import { FolderSource, FolderSourceError, forgetSource } from '@koi-mcp/data-catalog'
import type { ProducerNode } from '@koi-mcp/core'
import type { Companion, Service } from '@koi-mcp/platform'
import type { CatalogConfig } from './config.ts'

/** How often progress is logged at most, in milliseconds. */
const PROGRESS_MS = 1000
/** Where the store remembers which source the folder was. */
const SOURCE_KEY = 'folder-catalog/source'

/** Catalogues a folder beside the node, from the service's start to its stop, and logs how far it is. */
export class FolderCatalog implements Companion {
  readonly #source: FolderSource
  readonly #service: Service<ProducerNode>

  constructor(service: Service<ProducerNode>, { folder, source }: CatalogConfig & { readonly folder: string }) {
    this.#service = service
    const { node, log } = service
    let toldAt = 0
    let told = ''
    this.#source = new FolderSource({
      folder,
      name: source,
      publisher: node,
      log,
      onProgress: (progress) => {
        const now = performance.now()
        const text = JSON.stringify(progress)
        const isAll = progress.done === progress.total
        if (text === told || (!isAll && now - toldAt < PROGRESS_MS)) return
        toldAt = now
        told = text
        log.info('cataloguing', { ...progress })
      },
    })
  }

  async start(): Promise<void> {
    try {
      await this.#source.start()
    } catch (error) {
      if (!(error instanceof FolderSourceError)) throw error
      const setting = 'domains.data_catalog.config.folder (KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER)'
      throw new FolderSourceError(`${error.message}: see ${setting}`, { cause: error })
    }
    await this.#forgetEarlier()
  }

  /** Another folder than at the start before: what was in that one is not here any more. */
  async #forgetEarlier(): Promise<void> {
    const { node, log } = this.#service
    const { source } = this.#source
    const earlier = await node.store.getValue(SOURCE_KEY)
    if (earlier !== undefined && earlier !== source) {
      const count = await forgetSource(node, earlier)
      log.info('another folder is catalogued now, forgot the earlier one', { source: earlier, count })
    }
    if (earlier !== source) await node.store.setValue(SOURCE_KEY, source)
  }

  stop(): Promise<void> {
    return this.#source.stop()
  }
}
