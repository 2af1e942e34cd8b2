/** What the tabs of the tests load, and the frames and workers in them. */
import { channelActions } from './channels.ts'
import { connect } from './connection.ts'
import { faultActions } from './faults.ts'
import { placeActions } from './places.ts'
import { sessionActions } from './session.ts'
import { storeActions } from './store.ts'

const actions = { ...sessionActions, ...storeActions, ...faultActions, ...channelActions, ...placeActions }

export type Actions = typeof actions

connect(actions)
