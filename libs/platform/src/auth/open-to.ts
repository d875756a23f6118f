import { SetMetadata } from '@nestjs/common'
import type { SecuritySettings } from '../config/settings.ts'

/** A setting that opens an endpoint to everybody. */
export type OpeningSetting = {
  [K in keyof SecuritySettings]: SecuritySettings[K] extends boolean ? K : never
}[keyof SecuritySettings]

export const OPEN_TO = Symbol('open to')

/** A controller that needs no access: health, which tells nothing and which every balancer asks for. */
export const OpenToAll = () => SetMetadata(OPEN_TO, 'all')

/** A controller that needs none where the setting is true. */
export const OpenWhere = (setting: OpeningSetting) => SetMetadata(OPEN_TO, setting)
