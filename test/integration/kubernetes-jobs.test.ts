import { makeKubernetesTarget } from '../../services/deployer/target/kubernetes.ts'
import { kubeconfig, removeNamespace } from '../contracts/cluster-scene.ts'
import { jobsContract } from '../contracts/jobs.ts'

jobsContract('kubernetes', { open: async () => makeKubernetesTarget(kubeconfig()), close: removeNamespace })
