/**
 * `refused`: the client has to change what it asks, an unknown tool or RID, wrong arguments, a limit reached. `failed`: the fault lies here; the log says
 * more.
 */
export type McpOutcome = 'ok' | 'refused' | 'failed'

/** The methods of MCP that are served here; a client may send any text. */
export type McpMethod =
  | 'resources/list'
  | 'resources/templates/list'
  | 'resources/read'
  | 'resources/subscribe'
  | 'resources/unsubscribe'
  | 'subscriptions/listen'
  | 'tools/list'
  | 'tools/call'

/** Told of what MCP clients do, for metrics. Returns at once and does not throw. */
export interface McpObserver {
  /** One request, whatever the revision. Seconds: until the answer, for `subscriptions/listen` until the stream stands. */
  answered(method: McpMethod, outcome: McpOutcome, seconds: number): void
}

/** What clients of a handler hold now. */
export interface McpLoad {
  /** Of the older revisions. */
  readonly sessions: number
  /** Resources that are followed, over all sessions and streams. */
  readonly subscriptions: number
}
