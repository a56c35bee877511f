import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { jobsContract } from '../../contracts/jobs.ts'
import { kubeconfig, removeNamespace } from '../../world/cluster-scene.ts'

jobsContract('kubernetes', { open: async () => makeKubernetesTarget(kubeconfig()), close: removeNamespace })
