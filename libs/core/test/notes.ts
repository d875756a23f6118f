import { defineRidType } from '@koi-mcp/protocol'
import { DomainExtension } from '../src/domain/domain-extension.ts'

export const NoteRID = defineRidType('orn:notes.note')

/** A domain of one type. */
export class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}
