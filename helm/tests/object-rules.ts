import type { KubernetesObject } from './chart.ts'
import { schemaFaults } from './kubernetes-schemas.ts'

const LABELS = ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'helm.sh/chart']

/** What is wrong with objects, whatever the values were: a sentence each, with the object's name. */
export function faultsOf(objects: readonly KubernetesObject[]): readonly string[] {
  const names = objects.map(nameOf)
  const twice = names.filter((name, index) => names.indexOf(name) !== index)
  return [
    ...twice.map((name) => `${name} is made twice`),
    ...objects.flatMap((object) => [
      ...schemaFaults(object).map((fault) => `${nameOf(object)}: ${fault}`),
      ...LABELS.filter((label) => !object.metadata.labels[label]).map((label) => `${nameOf(object)} has no ${label}`),
      ...nameFaults(object),
      ...podFaults(object),
      ...referenceFaults(object, objects),
    ]),
  ]
}

/** Names that are labels of DNS or of Kubernetes too. */
const SHORT = ['Deployment', 'Service', 'StatefulSet', 'HorizontalPodAutoscaler', 'ScaledObject']

function nameFaults(object: KubernetesObject): readonly string[] {
  const most = SHORT.includes(object.kind) ? 63 : 253
  return object.metadata.name.length <= most ? [] : [`${nameOf(object)} has a name of more than ${most} letters`]
}

const nameOf = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata.name}`

/** The pod of a workload, or the object itself where it is one. */
function podOf(object: KubernetesObject) {
  return object.kind === 'Pod' ? object : object['spec']?.template
}

/** Pod Security "restricted" and what else holds for every pod. */
function podFaults(object: KubernetesObject): readonly string[] {
  const spec = podOf(object)?.spec
  if (spec === undefined) return []
  const faults: string[] = []
  const check = (holds: boolean, fault: string) => void (holds || faults.push(`${nameOf(object)} ${fault}`))
  check(spec.automountServiceAccountToken === false, 'mounts a token of Kubernetes')
  check(spec.enableServiceLinks === false, 'has a variable for every Service')
  check(spec.securityContext?.runAsNonRoot === true, 'may run as root')
  check(spec.securityContext?.runAsUser > 0, 'says no user')
  check(spec.securityContext?.seccompProfile?.type === 'RuntimeDefault', 'has no seccomp profile')
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) check(spec[key] === undefined, `has ${key}`)
  const volumes = (spec.volumes ?? []).map((volume: { name: string }) => volume.name)
  const claims = (object['spec'].volumeClaimTemplates ?? []).map((claim: KubernetesObject) => claim.metadata.name)
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    const { securityContext, env = [], volumeMounts = [], resources } = container
    check(securityContext?.allowPrivilegeEscalation === false, 'may gain privileges')
    check(securityContext?.readOnlyRootFilesystem === true, 'may write to its root')
    check(JSON.stringify(securityContext?.capabilities) === '{"drop":["ALL"]}', 'has capabilities')
    check(
      resources?.requests !== undefined && resources.limits?.memory !== undefined,
      'has no requests or no limit of memory',
    )
    const names = env.map((variable: { name: string }) => variable.name)
    check(new Set(names).size === names.length, `has a variable twice: ${names.join(', ')}`)
    for (const mount of volumeMounts)
      check([...volumes, ...claims].includes(mount.name), `mounts ${mount.name}, which is no volume`)
  }
  return faults
}

/** A selector that selects nothing, or a Secret of ours that nobody makes, fails only once it runs. */
function referenceFaults(object: KubernetesObject, all: readonly KubernetesObject[]): readonly string[] {
  const pods = all.flatMap((one) =>
    podOf(one) === undefined ? [] : [podOf(one).metadata.labels as Record<string, string>],
  )
  const selector =
    object.kind === 'Service'
      ? object['spec'].selector
      : (object['spec']?.selector?.matchLabels ?? object['spec']?.podSelector?.matchLabels)
  if (selector === undefined) return []
  const selects = pods.some((labels) => Object.entries(selector).every(([key, value]) => labels[key] === value))
  return selects ? [] : [`${nameOf(object)} selects no pod`]
}
