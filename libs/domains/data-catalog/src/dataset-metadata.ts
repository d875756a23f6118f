import 'reflect-metadata'
import { Type } from 'class-transformer'
import { IsArray, IsInt, IsISO8601, IsOptional, IsString, Matches, Min, ValidateNested } from 'class-validator'
import { ColumnDefinition } from './column-definition.ts'

/**
 * The contents of an `orn:data-catalog.dataset`. Further fields are kept.
 *
 *     new DatasetMetadata({ name: 'customer_transactions', format: 'parquet', location: 's3://data-lake/transactions/' })
 */
export class DatasetMetadata {
  @IsString()
  name!: string

  @IsOptional()
  @IsString()
  description?: string

  /** What names its schema: an RID of type `orn:data-catalog.schema`, or a name that readers know. */
  @IsOptional()
  @IsString()
  schema?: string

  /** `csv`, `tsv`, `json`, `jsonl`, `parquet`, … */
  @IsOptional()
  @IsString()
  format?: string

  /** Where the data is: a URL. */
  @IsOptional()
  @IsString()
  location?: string

  /** `daily`, `weekly`, … */
  @IsOptional()
  @IsString()
  update_frequency?: string

  @IsOptional()
  @IsString()
  owner?: string

  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  tags?: string[]

  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => ColumnDefinition)
  columns?: ColumnDefinition[]

  /** How many columns there are, where `columns` lists the first of them only. */
  @IsOptional()
  @IsInt()
  @Min(0)
  column_count?: number

  @IsOptional()
  @IsInt()
  @Min(0)
  rows?: number

  /** Size in bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  bytes?: number

  /** SHA-256 of the data, as 64 hexadecimal digits in lower case; of files up to 64 MiB. */
  @IsOptional()
  @Matches(/^[0-9a-f]{64}$/)
  sha256?: string

  /** When the data last changed. */
  @IsOptional()
  @IsISO8601()
  modified?: string

  /** Where the dataset was found, the first part of its RID; default `published`. */
  @IsOptional()
  @IsString()
  source?: string

  /** Its path within the source, whole, also where the RID ends in a hash; default: its name. */
  @IsOptional()
  @IsString()
  path?: string

  constructor(fields?: DatasetMetadata) {
    Object.assign(this, fields)
  }
}
