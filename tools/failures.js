import { relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

/** @typedef {{ status: string, ancestorTitles: string[], title: string, failureMessages: string[] }} Test */
/** @typedef {{ status: string, name: string, message: string, assertionResults: Test[] }} File */
/** @typedef {{ what: string, why: string }} Failure what failed, and what it said */

/**
 * Every failure of a run of Vitest. A file that cannot be loaded has no tests to fail: it is one itself.
 *
 * @param {{ testResults: File[] }} report as Vitest's `json` reporter writes it
 * @param {readonly string[]} unhandled errors that belong to no test
 * @param {string} root the folder that file names are relative to
 * @returns {Failure[]}
 */
export function failuresOf({ testResults }, unhandled, root) {
  const named = testResults.flatMap(({ status, name, message, assertionResults }) => {
    const file = relative(root, name)
    const failed = assertionResults.filter((test) => test.status === 'failed')
    if (failed.length === 0) return status === 'failed' ? [{ what: file, why: message }] : []
    return failed.map(({ ancestorTitles, title, failureMessages }) => ({
      what: [file, ...ancestorTitles.filter((part) => part !== ''), title].join(' > '),
      why: failureMessages.join('\n'),
    }))
  })
  return [...named, ...unhandled.map((why) => ({ what: 'an error outside of the tests', why }))]
}

const LINES = 8
const WIDTH = 240

/**
 * A failure as text: what failed, and under it the first lines of what it said, so that it can be told without the log.
 *
 * @param {string} part
 * @param {Failure} failure
 */
export function failureText(part, { what, why }) {
  const lines = stripVTControlCharacters(why)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s*at .*node_modules/u.test(line))
    .slice(0, LINES)
    .map((line) => `    ${line.length > WIDTH ? `${line.slice(0, WIDTH)}…` : line}`)
  return [`${part}: ${what}`, ...lines].join('\n')
}
