import { FolderSource, FolderSourceError } from '@koi-mcp/data-catalog'
import type { ProducerNode } from '@koi-mcp/core'
import type { Companion, Service } from '@koi-mcp/platform'
import type { CatalogConfig } from './config.ts'

/** How often progress is logged at most, in milliseconds. */
const PROGRESS_MS = 1000

/** Catalogues a folder beside the node, from the service's start to its stop, and logs how far it is. */
export class FolderCatalog implements Companion {
  readonly #source: FolderSource

  constructor({ node, log }: Service<ProducerNode>, { folder, source }: CatalogConfig & { readonly folder: string }) {
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
  }

  stop(): Promise<void> {
    return this.#source.stop()
  }
}
