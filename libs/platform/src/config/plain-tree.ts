/** Configuration before it is checked: objects without a prototype, so that a key such as `__proto__` is a key like any other. */
export interface PlainTree {
  [key: string]: unknown
}

export function isTree(value: unknown): value is PlainTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `over` wins, key by key; a list or a scalar replaces what was there. `null` and absent mean "not set". */
export function mergeTrees(base: unknown, over: unknown): unknown {
  if (over === null || over === undefined) return base
  if (!isTree(over)) return over
  const merged: PlainTree = Object.create(null) as PlainTree
  for (const tree of [isTree(base) ? base : {}, over]) {
    for (const [key, value] of Object.entries(tree)) merged[key] = mergeTrees(merged[key], value)
  }
  return merged
}

/** A tree with one leaf: `(['a', 'b'], 1)` → `{a: {b: 1}}`. */
export function treeWith(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>(
    (inner, key) => Object.assign(Object.create(null) as PlainTree, { [key]: inner }),
    value,
  )
}
