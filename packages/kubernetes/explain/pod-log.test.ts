import { expect, test } from 'vitest'
import { linesOf } from './pod-log.ts'

test("a node's words about a log that is gone are no last lines", () => {
  const path = '/var/log/pods/shop_j-1_0c/j/0.log'
  expect(
    linesOf(`failed to try resolving symlinks in path "${path}": lstat ${path}: no such file or directory`),
  ).toEqual([])
  expect(linesOf(`failed to open log file "${path}": open ${path}: no such file or directory\n`)).toEqual([])
  expect(linesOf('unable to retrieve container logs for containerd://0c3d')).toEqual([])
  expect(linesOf('rpc error: code = Unknown desc = Error: No such container: 0c3d')).toEqual([])
  expect(
    linesOf('rpc error: code = NotFound desc = an error occurred when try to find container "0c": not found'),
  ).toEqual([])
})

test('what a program says of its own files stays, without empty lines', () => {
  const said = ['failed to open log file "app.log"', '  at start', 'rpc error: code = Unavailable desc = database']
  expect(linesOf(`\n${said.join('\n \n')} \n`)).toEqual(said)
})
