/** Counts in a register as fast as it can, and tells of every count that was acknowledged. */
import { createRegister } from '../../../../dist/stores/file/register.js'

const [, , path, name] = process.argv
const register = createRegister(
  path,
  async (_, call) => call(),
  () => {},
)
process.on('disconnect', () => process.exit())
for (let count = 1; ; count++) {
  await register.update(({ counts = {} }) =>
    counts[name] >= count ? undefined : { counts: { ...counts, [name]: count } },
  )
  process.send(count)
}
