import type { checkOptions as check, whatCame as tell } from './mistakes.ts'

/** Takes the place of mistakes.ts in the build for production. */
export const checkOptions: typeof check = () => {}
export {
  checkOptions as checkCredentials,
  checkOptions as checkFile,
  checkOptions as checkFetch,
  checkOptions as checkInstance,
  checkOptions as checkListener,
  checkOptions as checkMcp,
}

export const whatCame: typeof tell = () => ''
