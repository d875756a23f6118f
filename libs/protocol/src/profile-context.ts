import { ProtocolError } from './errors.ts'
import { stringOf } from './fields.ts'
import type { Members } from './fields.ts'
import { referenceRidProblem } from './reference-rid.ts'
import { asRid } from './rid.ts'

/**
 * The `@context` of a profile, which older nodes leave out and nobody reads; but one that is no RID ends a node of the reference that is told of the
 * profile. Over there the field goes by either name.
 *
 * @throws ProtocolError
 */
export function checkContext(members: Members): void {
  for (const name of ['@context', 'context']) {
    const node = members.get(name)
    if (node === undefined) continue
    const problem = referenceRidProblem(asRid(stringOf(node, name), name))
    if (problem !== undefined) throw new ProtocolError(name, problem)
  }
}
