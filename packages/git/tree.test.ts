import { expect, test } from 'vitest'
import { parseRepoPath } from './tree.ts'

const read = (text: string) => {
  const parsed = parseRepoPath(text)
  return parsed.ok ? parsed.value : parsed.reason.code
}

test.each([
  ['.', '.'],
  ['', '.'],
  ['./', '.'],
  ['k8s/', 'k8s'],
  ['./deploy//k8s/./web.yaml', 'deploy/k8s/web.yaml'],
  ['-rf', '-rf'],
  ['..a/b..', '..a/b..'],
  ['.github/x y', '.github/x y'],
])('%j is %j', (text, path) => {
  expect(read(text)).toBe(path)
})
test.each([
  '/etc/passwd',
  '..',
  'a/../../b',
  'a/..',
  'a\\..\\b',
  'a\0b',
  'a\nb',
  'a\u007fb',
  '.git/config',
  'a/.GIT',
  '//x',
  'a'.repeat(5000),
])('%j is no path within a repository', (text) => {
  expect(read(text)).toBe('path_outside_repo')
})
