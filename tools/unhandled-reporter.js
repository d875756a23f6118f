import { writeFileSync } from 'node:fs'

/** Vitest's JSON report leaves out the errors that belong to no test (a rejection that nobody handles): they go beside it. */
export default class UnhandledReporter {
  #file = ''

  onInit(/** @type {import('vitest/node').Vitest} */ { config: { outputFile } }) {
    this.#file = unhandledFile(typeof outputFile === 'object' ? (outputFile.json ?? '') : '')
  }

  onTestRunEnd(/** @type {unknown} */ _modules, /** @type {readonly import('vitest').SerializedError[]} */ errors) {
    writeFileSync(this.#file, JSON.stringify(errors.map(({ stack, message }) => stack ?? message)))
  }
}

/** @param {string} report the file of the JSON report */
export const unhandledFile = (report) => report.replace(/\.json$/u, '.unhandled.json')
