import { validateSync } from 'class-validator'
import { Must } from '../config/setting.ts'
import { RequestError } from '../http/http-errors.ts'
import { readJsonObject } from '../publish/publish-request.ts'

const MAX_PLACES = 1000

const isPlace = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) > 0

/** The body of a replay or a drop: which dead letters. */
class PlacesRequest {
  @Must(
    `be a list of 1 to ${MAX_PLACES} places, whole numbers above 0`,
    (value) => Array.isArray(value) && value.length > 0 && value.length <= MAX_PLACES && value.every(isPlace),
  )
  readonly places!: readonly number[]
}

/** @throws RequestError 400, naming the field */
export function readPlaces(body: unknown): readonly number[] {
  const request = Object.assign(new PlacesRequest(), readJsonObject(body))
  const problems = validateSync(request, { whitelist: true, forbidNonWhitelisted: true })
  if (problems.length === 0) return request.places
  const fields = problems.map(({ property: path, constraints = {} }) => {
    const isUnknown = Object.hasOwn(constraints, 'whitelistValidation')
    return { path, message: isUnknown ? 'is not known' : (Object.values(constraints)[0] ?? 'is not valid') }
  })
  throw new RequestError(400, 'The body must be {places}, the places of dead letters', fields)
}
