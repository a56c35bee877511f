import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, refuse } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { checkImages } from './gone-image.ts'

const image = (name: string) => `registry.example/shop/${name}@sha256:${'a'.repeat(64)}`
const objects = ['web', 'web', 'db'].map(
  (name): RenderedObject => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { template: { spec: { containers: [{ name, image: image(name) }] } } },
  }),
)
const check = async (answer: (name: string) => ReturnType<typeof refuse> | { ok: true; value: string }) => {
  const asked: string[] = []
  const lines: string[] = []
  const digestOf = async (name: string) => {
    asked.push(name)
    return answer(name)
  }
  const outcome = await checkImages({ objects, generation: 7 }, { digestOf, say: (line) => void lines.push(line) })
  return { asked, lines, reason: outcome.ok ? undefined : outcome.reason }
}

test('each image of a release is asked for once, and one that is gone is named', async () => {
  expect(await check(() => done('sha256:a'))).toEqual({
    asked: [image('web'), image('db')],
    lines: [],
    reason: undefined,
  })
  const gone = await check((name) =>
    name === image('db') ? refuse('image_not_found', { image: name }) : done('sha256:a'),
  )
  expect(gone.reason).toMatchObject({ code: 'image_gone' })
  expect(gone.reason?.message).toContain(image('db'))
})

test('a registry that can not be asked holds nobody up', async () => {
  const away = await check(() => refuse('registry_unavailable', { registry: 'registry.example', detail: 'timeout' }))
  expect(away.reason).toBeUndefined()
  expect(away.lines[0]).toMatch(/^going on without a word of its registry on .*timeout/)
})
