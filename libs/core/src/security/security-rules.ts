import type { AuthorityRules } from './authority.ts'
import type { PeerList } from './peer-list.ts'

/** What the handlers of a node go by when others speak, and when others are told. */
export interface SecurityRules extends AuthorityRules {
  /** Who is dealt with, and about what; default: anyone, about anything. */
  readonly peers?: PeerList | undefined
  /** Foreign nodes that are taken in; default 10,000. */
  readonly maxNodes?: number | undefined
}
