import type { ValidationError } from 'class-validator'

/** An object that does not fit its schema: every problem, each with the path of its field. */
export class SchemaError extends Error {
  readonly code = 'SCHEMA'
  readonly schema: string
  readonly problems: readonly string[]
  constructor(schema: string, problems: readonly string[], options?: { cause?: unknown }) {
    super(`does not fit ${schema}: ${problems.join('; ')}`, options)
    this.name = 'SchemaError'
    this.schema = schema
    this.problems = problems
  }
}

/** class-validator's findings as sentences: `columns[2].type must be a string`. */
export function problemsOf(errors: readonly ValidationError[]): string[] {
  return errors.flatMap((error) => problemsAt(error, error.property))
}

function problemsAt(error: ValidationError, path: string): string[] {
  const own = Object.entries(error.constraints ?? {}).map(([constraint, message]) =>
    constraint === 'nestedValidation' ? `${path} must be an object` : withPath(message, error.property, path),
  )
  const below = (error.children ?? []).flatMap((child) =>
    problemsAt(child, Array.isArray(error.value) ? `${path}[${child.property}]` : `${path}.${child.property}`),
  )
  return [...own, ...below]
}

/** class-validator's own messages name the property alone, after one of these openings; others are put behind the path. */
function withPath(message: string, property: string, path: string): string {
  for (const opening of ['', 'each value in ']) {
    if (message.startsWith(`${opening}${property} `)) {
      return `${opening}${path}${message.slice(opening.length + property.length)}`
    }
  }
  return `${path}: ${message}`
}
