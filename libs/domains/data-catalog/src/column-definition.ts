import 'reflect-metadata'
import { IsBoolean, IsOptional, IsString } from 'class-validator'

/** A column of a dataset. Further fields are kept. */
export class ColumnDefinition {
  @IsString()
  name!: string

  /** As SQL calls it: `BIGINT`, `VARCHAR`, `TIMESTAMP`, `STRUCT(a BIGINT)`. */
  @IsString()
  type!: string

  @IsOptional()
  @IsString()
  description?: string

  @IsOptional()
  @IsBoolean()
  nullable?: boolean

  constructor(fields?: ColumnDefinition) {
    Object.assign(this, fields)
  }
}
