import { HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute'
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject'
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor'
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule'
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler'
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { PersistentVolumeClaim } from 'kubernetes-models/v1/PersistentVolumeClaim'
import { Pod } from 'kubernetes-models/v1/Pod'
import { Secret } from 'kubernetes-models/v1/Secret'
import { Service } from 'kubernetes-models/v1/Service'
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount'

/** A model whose validator was compiled from the schema that Kubernetes, or the owner of the resource, publishes. */
interface Model {
  readonly apiVersion: string
  readonly kind: string
  readonly prototype: { validate(): void }
}

const MODELS: readonly Model[] = [
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  HTTPRoute,
  Ingress,
  NetworkPolicy,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  PodMonitor,
  PrometheusRule,
  ScaledObject,
  Secret,
  Service,
  ServiceAccount,
  ServiceMonitor,
  StatefulSet,
]

/** What of an object is not as its schema says; fields that the schema does not know, and nulls, are faults too. */
export function schemaFaults(object: { readonly apiVersion: string; readonly kind: string }): readonly string[] {
  const model = MODELS.find(({ apiVersion, kind }) => apiVersion === object.apiVersion && kind === object.kind)
  if (model === undefined) return [`${object.apiVersion} ${object.kind} is no kind that the chart may make`]
  const watched = new Watched()
  try {
    model.prototype.validate.call(watched.proxy(object))
  } catch (error) {
    return [(error as Error).message]
  }
  return watched.unread(object, '')
}

/**
 * Notes what a validator reads. One that was compiled from a schema asks for every field that the schema has, and lists the keys of what is a map, so
 * that a field which it never read is one that the schema does not know.
 */
class Watched {
  readonly #read = new Map<object, Set<string>>()
  readonly #proxies = new Map<object, object>()

  proxy<T extends object>(target: T): T {
    const known = this.#proxies.get(target)
    if (known !== undefined) return known as T
    const read = new Set<string>()
    const proxy = new Proxy(target, {
      get: (from, key, receiver) => {
        read.add(String(key))
        const value: unknown = Reflect.get(from, key, receiver)
        return typeof value === 'object' && value !== null ? this.proxy(value) : value
      },
    })
    this.#read.set(target, read)
    this.#proxies.set(target, proxy)
    return proxy
  }

  unread(value: unknown, path: string): readonly string[] {
    if (value === null) return [`${path} is null`]
    if (typeof value !== 'object') return []
    const read = this.#read.get(value)
    return Object.entries(value).flatMap(([key, child]) => {
      const at = `${path}/${key}`
      return Array.isArray(value) || read?.has(key) === true ? this.unread(child, at) : [`${at} is not known`]
    })
  }
}
