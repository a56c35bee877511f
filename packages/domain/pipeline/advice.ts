import type { Has } from './missing.ts'
import { type Pipeline, testImage } from './pipeline.ts'
import type { Problem } from './schema-problem.ts'

/** What is right as it stands and likely not meant: commands of a test that name files of the tree, in an image that has none of them. */
export async function adviceFor(pipeline: Pipeline, has: Has): Promise<Problem[]> {
  const advice: Problem[] = []
  for (const [key, test] of Object.entries(pipeline.test ?? {})) {
    const image = testImage(pipeline, test)
    const isForeign = image !== undefined && !Object.hasOwn(pipeline.images ?? {}, image)
    // What brings files itself may name them.
    if (!isForeign || test.run.some((command) => bringsFiles.test(command))) continue
    for (const [index, command] of test.run.entries()) {
      const named = await firstOf(pathsIn(command), has)
      if (named === undefined) continue
      const detail = `${image} is no image of this pipeline, so the commit's files are not in it, nor is ${named}; test in an image whose Dockerfile copies them`
      advice.push({ path: ['test', key, 'run', index], detail })
      break
    }
  }
  return advice
}

const bringsFiles = /\b(git|curl|wget|tar|unzip|svn|hg|scp|rsync)\b/

/** Words of a command that can only be paths: with a dot or a slash, from where it stands. */
const pathsIn = (command: string): string[] =>
  command
    .split(/[\s'"`;|&()<>=]+/)
    .filter((word) => /^(\.\/)?[\w@][\w@./-]*$/.test(word) && /[./]/.test(word) && !word.includes('..'))
    .slice(0, mostWords)
const mostWords = 100

async function firstOf(paths: string[], has: Has): Promise<string | undefined> {
  for (const path of paths) if (await has(path)) return path
  return undefined
}
