import type { LocalOptions, LocalPart } from './part.ts'
export async function findKubernetes(): Promise<string | undefined> { return undefined }
export async function kubernetesPackages(): Promise<string[]> { return [] }
export async function startKubernetes(_o: LocalOptions & { dockerHost: string }): Promise<LocalPart> { throw new Error('Kubernetes: being written') }
