import { nearest } from './nearest.ts'

/** The file in the root of a commit that says what is done with it. */
export const pipelineFile = '.taxiway.yaml'

const names = [pipelineFile, '.taxiway.yml', 'taxiway.yaml', 'taxiway.yml']
/** `.taxiway.yml` and the like: whoever has it beside the right one can't be sure which is read. */
const isTwin = (name: string) => /^[._]?taxiway\.ya?ml$/i.test(name) && name !== pipelineFile

/**
 * A file that was meant to be the pipeline file, and would not be read: another ending, no dot, a slip of the finger, another folder.
 * Where the right one is there too, only what could be mistaken for it counts.
 * @param paths files of a commit from its root; some may be left out that are in folders of folders
 */
export function misnamedPipeline(paths: readonly string[]): string | undefined {
  if (paths.includes(pipelineFile)) return paths.find(isTwin)
  return paths.find(isMeant)
}

function isMeant(path: string): boolean {
  const [name = '', folder, ...more] = path.toLowerCase().split('/').reverse()
  if (more.length > 0) return false
  if (folder !== undefined)
    return name === pipelineFile || isTwin(name) || (folder === '.taxiway' && /\.ya?ml$/.test(name))
  return (
    /^[._]?taxiway([-_.](ci|pipeline|config))?\.(ya?ml|json|toml)\b|^\.taxiway$/.test(name) ||
    nearest(name.trim(), names) !== undefined
  )
}
