import { isAbsolute } from 'node:path'
import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { BackupError, RequiredPermissions } from '@koi-mcp/core'
import type { BackupManifest } from '@koi-mcp/core'
import { ADMINISTER_NODE } from '../auth/permissions.ts'
import { RequestError } from '../http/http-errors.ts'
import { readJsonObject } from '../publish/publish-request.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'

/** `koi-mcp backup` of a running node: only its own process may read its store. */
@Controller('api')
@RequiredPermissions(ADMINISTER_NODE)
export class BackupController {
  readonly #service: Service
  constructor(@Inject(SERVICE) service: Service) {
    this.#service = service
  }

  /**
   * `{folder}` → 200 with the manifest: key and store are in that folder of this machine. It must be empty and of this service's user alone: so
   * nobody gets a key who could not read it in the state folder. Ends when the caller goes.
   */
  @Post('backup')
  @HttpCode(200)
  async backup(@Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply): Promise<BackupManifest> {
    const { folder } = readJsonObject(body)
    if (typeof folder !== 'string' || !isAbsolute(folder)) {
      const message = 'must be the absolute path of an empty folder'
      throw new RequestError(400, `The field folder ${message}`, [{ path: 'folder', message }])
    }
    const { node, log } = this.#service
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort(new BackupError('whoever asked for the backup is gone')))
    log.info('making a backup', { folder })
    try {
      const manifest = await node.fillBackup(folder, gone.signal)
      log.info('made a backup', { folder })
      return manifest
    } catch (error) {
      log.warn('the backup was not made', { folder, error })
      if (error instanceof BackupError) throw new RequestError(409, error.message)
      throw error
    }
  }
}
