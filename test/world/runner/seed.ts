import fc from 'fast-check'

/** The same guesses in every run, so that what passed once passes again. FAST_CHECK_SEED=$RANDOM tries others. */
fc.configureGlobal({ seed: Number(process.env.FAST_CHECK_SEED ?? 1850274780) })
