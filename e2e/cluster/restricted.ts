/** What the restricted profile wants of a pod, and of each of its containers. */
export const POD_SECURITY = {
  runAsNonRoot: true,
  runAsUser: 65532,
  runAsGroup: 65532,
  fsGroup: 65532,
  seccompProfile: { type: 'RuntimeDefault' },
}
export const CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** As the nodes have: who requests nothing gets next to nothing of a busy machine. */
export const REQUESTS = { requests: { cpu: '100m', memory: '128Mi' } }
