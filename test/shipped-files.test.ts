import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { variables } from '@taxiway/chassis/config.ts'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'

const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8')
const services = parse(read('docker-compose.yml'), { merge: true }).services
const objects = parseAllDocuments(read('deploy/kubernetes/taxiway.yaml')).map((one) => one.toJS())
const podOf = (name: string) =>
  objects.find(({ kind, metadata }) => /^(Deployment|DaemonSet)$/.test(kind) && metadata.name === name).spec.template
    .spec
const variablesOf = (name: string) =>
  Object.fromEntries((podOf(name).containers[0].env ?? []).map((one: any) => [one.name, one.value]))

test('the guard alone is root, with the same few rights in both installs', () => {
  const { capabilities, ...context } = podOf('guard').containers[0].securityContext
  expect(context).toMatchObject({ runAsUser: 0, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true })
  expect([capabilities.drop, capabilities.add]).toEqual([services.guard.cap_drop, services.guard.cap_add])
  expect(services.guard).toMatchObject({
    user: '0:0',
    read_only: true,
    cap_drop: ['ALL'],
    network_mode: 'host',
    pid: 'host',
  })
  expect(podOf('guard')).toMatchObject({ hostNetwork: true, hostPID: true, automountServiceAccountToken: false })
  for (const role of ['api', 'builder', 'deployer', 'status']) {
    expect([services[role].user, services[role].cap_add, services[role].cap_drop]).toEqual([
      undefined,
      undefined,
      ['ALL'],
    ])
    expect(podOf(role).securityContext.runAsNonRoot).toBe(true)
  }
})

test('the guard holds no socket, no key and no password, and builders only read what it tells', () => {
  const given = JSON.stringify([services.guard.environment, services.guard.volumes, podOf('guard')])
  expect(given).not.toMatch(/docker\.sock|SECRET|TOKEN|PASSWORD|REDIS|secretRef/)
  expect(services.builder.volumes).toContain('guard:/run/taxiway:ro')
  expect(podOf('builder').containers[0].volumeMounts).toContainEqual({
    name: 'guard',
    mountPath: '/run/taxiway',
    readOnly: true,
  })
})

test('builder and guard are told the same of network and limits, and build steps are within the rules', () => {
  for (const [name, value] of Object.entries(services.guard.environment))
    expect([name, services.builder.environment[name]]).toEqual([name, value])
  expect(services.guard.environment.TAXIWAY_ENGINE).toBe(`\${TAXIWAY_ENGINE:-dedicated}`)
  for (const role of ['builder', 'guard']) expect(variablesOf(role).TAXIWAY_ENGINE).toBe('dedicated')
  expect(services.builder.environment.TAXIWAY_CONTAINMENT).toBe(`\${TAXIWAY_CONTAINMENT:-required}`)
})

test('every variable of the manifests is one that the configuration knows, with its default where compose repeats one', () => {
  const set = ['api', 'builder', 'deployer', 'guard', 'status'].flatMap((name) => Object.keys(variablesOf(name)))
  expect(set.filter((name) => !(name in variables))).toEqual([])
  for (const [name, text] of Object.entries<string>(services.guard.environment)) {
    const given = /^\$\{\w+:-(.*)\}$/.exec(text)?.[1]
    const known = variables[name as keyof typeof variables].default
    if (!['TAXIWAY_ENGINE', 'TAXIWAY_ENGINE_BRIDGE'].includes(name)) expect([name, given]).toEqual([name, known])
  }
})
