import { expect, test } from 'vitest'
import { packedRefs, readTags } from './tags.ts'

const [a, b] = ['a'.repeat(40), 'b'.repeat(40)]

test('tags are read as they are listed, with the commits that they lead to', () => {
  const listed = `${a}\trefs/tags/v2\n${a}\trefs/tags/v1\n${b}\trefs/tags/v1^{}\n`
  expect(readTags(listed)).toEqual([
    { ref: 'refs/tags/v1', id: a, commit: b },
    { ref: 'refs/tags/v2', id: a },
  ])
  expect(packedRefs(readTags(listed))).toBe(
    `# pack-refs with: peeled fully-peeled sorted \n${a} refs/tags/v1\n^${b}\n${a} refs/tags/v2\n`,
  )
})

test('what is no tag that git would take is none', () => {
  for (const name of ['refs/heads/main', 'refs/tags/../../config', 'refs/tags/a b', 'refs/tags/a\r', 'refs/tags/-x'])
    expect(readTags(`${a}\t${name}\n`)).toEqual([])
  expect(readTags(`${b}\trefs/tags/v1^{}\nnot-an-id\trefs/tags/v1\n`)).toEqual([])
})
