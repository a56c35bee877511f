import { parseArgs } from 'node:util'
import { kindPattern, neverAllowed, ownKinds } from '@taxiway/domain/cluster/kinds.ts'
import { kubeconfigSteps, rbacText } from '@taxiway/domain/cluster/rbac.ts'
import { exitCodes } from '../exit-codes.ts'

const usage = `Usage: taxiway cluster rbac --namespace NAME... [options]
       taxiway cluster rbac --kubeconfig [options]

Prints the account, roles and bindings that a deployer needs to roll out to these namespaces, as YAML for kubectl apply.

  --namespace NAME           a namespace that environments are deployed to; may be given several times
  --kinds KIND,KIND          only these kinds of objects, as the environment's rule "kinds" says (all that need no rule)
  --more-kinds KIND,KIND     these as well, as the rule "moreKinds" says, like Certificate.cert-manager.io
  --secrets                  as well to make and remove Secrets, for components and jobs that are given secrets, and for
                             pods that are given the credentials of registries
  --previews                 as well to make and remove namespaces, and to roll out in every namespace of the cluster,
                             for previews of pull requests; keep a cluster for them in which nothing else lives
  --account NAME             the service account of the deployer (taxiway-deployer)
  --account-namespace NAME   where that account lives (taxiway)
  --kubeconfig               print instead how to make a kubeconfig for that account, to register the cluster with
`
const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const options = {
  namespace: { type: 'string', multiple: true },
  kinds: { type: 'string' },
  'more-kinds': { type: 'string' },
  secrets: { type: 'boolean' },
  previews: { type: 'boolean' },
  account: { type: 'string', default: 'taxiway-deployer' },
  'account-namespace': { type: 'string', default: 'taxiway' },
  kubeconfig: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** `taxiway cluster rbac`: the rights that deployers need in a cluster. */
export async function cluster(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
  if (values.help) {
    process.stdout.write(usage)
    return exitCodes.good
  }
  const { namespace: namespaces = [], account: name, 'account-namespace': namespace } = values
  const more = listed(values['more-kinds']) ?? []
  const kinds = [...(listed(values.kinds) ?? Object.keys(ownKinds)), ...more]
  const account = { name, namespace }
  const { secrets, previews } = values
  const wrong =
    positionals.join(' ') === 'rbac' ? wrongWith([...namespaces, name, namespace], kinds) : 'the only command is rbac'
  if (wrong || (namespaces.length === 0 && !previews && !values.kubeconfig)) {
    process.stderr.write(`taxiway cluster: ${wrong ?? 'name a namespace'}.\n\n${usage}`)
    return exitCodes.usage
  }
  process.stdout.write(
    values.kubeconfig ? kubeconfigSteps({ account }) : rbacText({ namespaces, kinds, secrets, previews, account }),
  )
  return exitCodes.good
}

const listed = (text: string | undefined) => text?.split(',').map((kind) => kind.trim())

function wrongWith(names: readonly string[], kinds: readonly string[]): string | undefined {
  const bad = names.find((name) => !dnsLabel.test(name))
  if (bad !== undefined) return `${bad} is not a name with lower-case letters, digits and dashes`
  const unknown = kinds.find((kind) => !new RegExp(kindPattern).test(kind))
  if (unknown !== undefined)
    return `${unknown} is not the name of a kind, like ${Object.keys(ownKinds).join(', ')} or Certificate.cert-manager.io`
  const closed = kinds.find((kind) => neverAllowed(kind) !== undefined)
  return closed === undefined ? undefined : `no release may hold a ${closed}: ${neverAllowed(closed)}`
}
