import type { KubeObject } from '../object.ts'

const isImmutable =
  /field is immutable|is immutable after creation|may not change once set|updates to statefulset spec for fields other than|can ?not be less than (previous|status)/

/** What a refusal to change a field that can't be changed comes to, with the way out; undefined when it is another one. Pure. */
export function wayOut({ kind, metadata: { name } }: KubeObject, message: string): string | undefined {
  if (!isImmutable.test(message)) return undefined
  const field = /(?:is invalid: \[?|^\[?)([\w.]+?)(?:\[\d+\])?: /.exec(message)?.[1] ?? 'spec'
  const another = 'Give it another name (the old one is removed once the new one is healthy)'
  if (kind === 'StatefulSet')
    return (
      'of a StatefulSet that exists only replicas, template, updateStrategy, minReadySeconds and the retention policy of its claims can be changed. ' +
      `Delete it without its pods (kubectl delete statefulset ${name} --cascade=orphan) and push again: the new one takes over its pods and volumes`
    )
  if (kind === 'PersistentVolumeClaim')
    return 'of a volume claim that exists only the size can be changed, and only to a larger one. Make another one under another name, and copy the data'
  if (kind === 'Service')
    return `${field} can't be changed on a Service that exists. ${another}, or delete it and push again: requests to it fail until then`
  if (kind === 'Deployment' || kind === 'DaemonSet')
    return `${field} can't be changed on a ${kind} that exists. ${another}, or delete it and push again: its pods are away until then`
  return `${field} can't be changed on what exists. ${another}, or delete it and push again`
}
