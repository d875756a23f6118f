import { Module } from '@nestjs/common'
import type { DynamicModule } from '@nestjs/common'
import { APP_FILTER } from '@nestjs/core'
import { HttpErrors } from '../http/http-errors.ts'
import { SERVICE } from './service.ts'
import type { Service } from './service.ts'

/** Gives every controller of an application its `Service`, and every error its answer. */
@Module({})
export class ServiceModule {
  static for(service: Service): DynamicModule {
    return {
      module: ServiceModule,
      global: true,
      providers: [
        { provide: SERVICE, useValue: service },
        { provide: APP_FILTER, useClass: HttpErrors },
      ],
      exports: [SERVICE],
    }
  }
}
