const looksForGit = /not a git repository|\/\.git\b[^:]*: ?not found|"\/\.git"/i

/** What to do, where words say that a `.git` was looked for and is not there; else nothing. */
export const askForGit = (words: string): string =>
  looksForGit.test(words)
    ? '.git is there only with "checkout: { history: full, tags: true }" in .taxiway.yaml, in an image whose context is the whole repository, and unless .dockerignore leaves it out'
    : ''
