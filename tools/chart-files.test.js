import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { expect, test } from 'vitest'
import { copies, copyOf } from './chart-files.js'

test.each(Object.entries(copies()))('the %s of the chart are copies of today: npm run chart-files', (folder, paths) => {
  const wanted = paths.map((path) => [basename(copyOf(folder, path)), readFileSync(path, 'utf8')])
  const there = paths.length === 0 ? [] : readdirSync(dirname(copyOf(folder, paths[0] ?? '')))
  expect(Object.fromEntries(there.map((name) => [name, readFileSync(copyOf(folder, name), 'utf8')]))).toEqual(
    Object.fromEntries(wanted),
  )
})
