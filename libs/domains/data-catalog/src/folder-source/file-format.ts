import { extname } from 'node:path'

export type FileFormat = 'csv' | 'tsv' | 'json' | 'jsonl' | 'parquet'

const FORMATS: Readonly<Record<string, FileFormat>> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.json': 'json',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
}

/** The format that a file's name promises; `undefined`: it is not catalogued. */
export function formatOf(path: string): FileFormat | undefined {
  return FORMATS[extname(path).toLowerCase()]
}
