import { openSession } from '../../../../examples/tabs.ts'

Object.assign(globalThis, { session: openSession() })
