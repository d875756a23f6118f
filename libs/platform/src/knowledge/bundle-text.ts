import { stringText } from '@koi-mcp/protocol'
import type { StoredBundle } from '@koi-mcp/core'

/** A cached bundle for people and scripts; manifest and contents are the texts that were received, byte for byte. */
export function storedBundleText({ rid, bundle, origin, seq }: StoredBundle): string {
  const from = origin === undefined ? 'null' : stringText(origin)
  const { manifest, contents } = bundle
  return `{"rid":${stringText(rid)},"origin":${from},"seq":${seq},"manifest":${manifest.text},"contents":${contents.text}}`
}
