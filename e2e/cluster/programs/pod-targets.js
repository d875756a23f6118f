// pod-targets.js FILE: writes there, again and again, what Prometheus' own discovery finds of the pods in this namespace, with the labels that it gives
// them. Debian's Prometheus is built without that discovery, and every one of them reads files.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'

const [file] = process.argv.slice(2)
const account = (name) => readFile(`/var/run/secrets/kubernetes.io/serviceaccount/${name}`, 'utf8')
const POD = '__meta_kubernetes_pod'

const prefixed = (prefix, values = {}) =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}_${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`, value]),
  )

const portsOf = ({ metadata, spec, status }) => {
  const labels = {
    __meta_kubernetes_namespace: metadata.namespace,
    [`${POD}_name`]: metadata.name,
    [`${POD}_phase`]: status.phase,
    ...prefixed(`${POD}_annotation`, metadata.annotations),
    ...prefixed(`${POD}_label`, metadata.labels),
  }
  const ports = spec.containers.flatMap(({ ports = [] }) => ports)
  return ports.map(({ containerPort }) => ({ targets: [`${status.podIP}:${containerPort}`], labels }))
}

for (;;) {
  const url = `https://kubernetes.default.svc/api/v1/namespaces/${await account('namespace')}/pods`
  const response = await fetch(url, { headers: { authorization: `Bearer ${await account('token')}` } })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  const { items } = await response.json()
  const groups = items.filter(({ status }) => status.podIP !== undefined).flatMap(portsOf)
  await writeFile(`${file}.new`, JSON.stringify(groups))
  await rename(`${file}.new`, file)
  await wait(2_000)
}
