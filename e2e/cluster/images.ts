import { say } from './commands.ts'

/** The image that the variable names; `undefined` where it names none, which is said. @throws Error in CI */
export function imageOf(what: string, variable: string): string | undefined {
  const { [variable]: image, CI } = process.env
  if (image) return image
  const why = `the tests with ${what} need its image: name it in ${variable} (.ci/image/make-peers makes one)`
  if (CI === 'true') throw new Error(why)
  say(`skipped: ${why}`)
  return undefined
}
