/** Characters that turn the direction of the text around them, or end its line. */
export const turning = /[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** Names that strangers give show what they hold: characters that turn text are written out. */
export const inert = (text) =>
  String(text).replace(turning, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
