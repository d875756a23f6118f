const REQUIRED = Symbol('required permissions')

/**
 * Says which permissions a caller needs, all of them: a decorator of a controller or of one of its handlers (which then counts alone), and for a plain
 * function `RequiredPermissions('a', 'b')(handler)`. Without names anyone who is known may call.
 */
export function RequiredPermissions(...permissions: readonly string[]) {
  return (target: object, _key?: string | symbol, descriptor?: PropertyDescriptor): void => {
    const marked: unknown = descriptor?.value ?? target
    Object.defineProperty(marked, REQUIRED, { value: permissions, configurable: true })
  }
}

/** What was said of the first of the targets of which anything was; nothing for none. */
export function requiredPermissionsOf(...targets: readonly object[]): readonly string[] {
  const marked = targets.find((target) => Object.hasOwn(target, REQUIRED))
  return marked === undefined ? [] : (marked as Record<symbol, readonly string[]>)[REQUIRED]!
}
