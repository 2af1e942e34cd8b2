export { defineTimeline, formatEvents, mountTimeline } from '../../dist/production/devtools.js'
