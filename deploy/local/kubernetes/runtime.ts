import type { Daemon } from '../process.ts'

/** Where a cluster lives on this machine. */
export interface ClusterPlace {
  /** The programs of Kubernetes. */
  bin: string
  /** State, thrown away with the cluster. */
  state: string
  logs: string
  /** The engine whose base images the cluster has, and whose containers are the pods of an old kubelet. */
  dockerHost: string
  /** Hears of each program as soon as it runs. */
  started: (daemon: Daemon) => void
}

/** What runs a kubelet's containers. */
export interface Runtime {
  /** The machine's address towards the pods: containers and this machine reach it, the network does not. */
  nodeAddress: string
  /** What of the kubelet's command line and configuration it is told by. */
  kubelet: { args: string[]; configuration: object }
}
