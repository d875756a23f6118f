import 'reflect-metadata'
import { Type } from 'class-transformer'
import { IsArray, IsOptional, IsString, ValidateNested } from 'class-validator'
import { ColumnDefinition } from './column-definition.ts'

/** The contents of an `orn:data-catalog.schema`: columns that one or more datasets have. Further fields are kept. */
export class DataSchemaDefinition {
  @IsString()
  name!: string

  @IsOptional()
  @IsString()
  description?: string

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => ColumnDefinition)
  columns!: ColumnDefinition[]

  /** Where it comes from, the first part of its RID; default `published`. */
  @IsOptional()
  @IsString()
  source?: string

  constructor(fields?: DataSchemaDefinition) {
    Object.assign(this, fields)
  }
}
