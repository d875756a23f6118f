import { Module } from '@nestjs/common'
import type { DynamicModule } from '@nestjs/common'
import { APP_FILTER, APP_GUARD } from '@nestjs/core'
import { Access } from '../auth/access.ts'
import { AccessGuard } from '../auth/access.guard.ts'
import { authManagerOf } from '../auth/auth-manager-of.ts'
import { HttpErrors } from '../http/http-errors.ts'
import { SERVICE } from './service.ts'
import type { Service } from './service.ts'

/** Gives every controller of an application its `Service`, every caller the guard, and every error its answer. */
@Module({})
export class ServiceModule {
  static for(service: Service): DynamicModule {
    const { settings, log } = service
    const access = new Access(service, authManagerOf(settings.security, { log }))
    return {
      module: ServiceModule,
      global: true,
      providers: [
        { provide: SERVICE, useValue: service },
        { provide: Access, useValue: access },
        { provide: APP_GUARD, useClass: AccessGuard },
        { provide: APP_FILTER, useClass: HttpErrors },
      ],
      exports: [SERVICE, Access],
    }
  }
}
