import { expect, test } from 'vitest'
import { failuresOf, failureText } from './failures.js'

const report = {
  testResults: [
    {
      name: '/koi/libs/core/src/a.test.ts',
      status: 'failed',
      message: '',
      assertionResults: [
        { status: 'passed', ancestorTitles: ['', 'a lane'], title: 'is taken', failureMessages: [] },
        {
          status: 'failed',
          ancestorTitles: ['', 'a lane'],
          title: 'is given back',
          failureMessages: [
            'AssertionError: expected 1 to be 2\n    at one.ts:1\n    at file:///node_modules/vitest/run.js:9',
            'Error: \u001b[31mlater\u001b[39m',
          ],
        },
        { status: 'skipped', ancestorTitles: [''], title: 'is left', failureMessages: [] },
      ],
    },
    { name: '/koi/libs/core/src/b.test.ts', status: 'failed', message: 'Cannot find c.ts', assertionResults: [] },
    { name: '/koi/libs/core/src/d.test.ts', status: 'passed', message: '', assertionResults: [] },
  ],
}

test('every test that failed is named, every file that could not be loaded, and every stray error', () => {
  expect(
    failuresOf(report, ['Error: nobody caught me'], '/koi').map((failure) => failureText('unit', failure)),
  ).toEqual([
    `unit: libs/core/src/a.test.ts > a lane > is given back
    AssertionError: expected 1 to be 2
        at one.ts:1
    Error: later`,
    `unit: libs/core/src/b.test.ts
    Cannot find c.ts`,
    `unit: an error outside of the tests
    Error: nobody caught me`,
  ])
})

test('what a failure said is cut', () => {
  const why = Array.from({ length: 50 }, () => 'x'.repeat(1_000)).join('\n\n')
  const lines = failureText('format', { what: 'it failed', why }).split('\n')
  expect(lines).toHaveLength(9)
  expect(new Set(lines.slice(1))).toEqual(new Set([`    ${'x'.repeat(240)}…`]))
})
