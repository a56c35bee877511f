const secretWords =
  /(?:^|_)(?:PASS|PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRETS|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(?:_|$)/i

/** Is a variable, key or field of this name likely to hold a secret? */
export const isSecretLike = (name: string): boolean => secretWords.test(name.replace(/[^A-Za-z0-9]+/g, '_'))

/**
 * Build arguments that are named like a secret: an argument stands in the history of the image, where everybody who can
 * pull it reads its value.
 */
export const secretLikeArguments = (args: Readonly<Record<string, string>>, secrets: readonly string[]): string[] =>
  Object.keys(args).filter((name) => secrets.includes(name) || isSecretLike(name))

/** What is told about such an argument. */
export const secretArgumentWarning = (image: string, argument: string): string =>
  `WARNING: build argument ${argument} of image ${image} is named like a secret, and arguments can be read in the image. Use secrets and RUN --mount=type=secret,id=${argument} for what nobody may see.`
