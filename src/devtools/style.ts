/** Pixels: rows are as high as this, so that one can tell which of them are in sight. */
export const ROW = 22
/** The same of a plain one, which is made for comparing. */
export const PLAIN_ROW = 14

const LIGHT = `
  --paper: #ffffff; --ink: #1d2129; --soft: #555d6b; --line: #dfe2e7; --accent: #1f5fbf; --chosen: #e8f0fc;
  --held: #b9c1cd; --sent: #4d8fd0; --replay: #23824f; --refresh: #9550c8; --bad: #c9302c;
  --fresh: #e6f5ea; --ending: #fdf3d3; --waits: #fbe0c4; --dead: #fbe6e6;`

const DARK = `
  --paper: #171b21; --ink: #e6e9ee; --soft: #a3acba; --line: #2f353f; --accent: #7fb0f5; --chosen: #22304a;
  --held: #566071; --sent: #5b9fe0; --replay: #3fb377; --refresh: #b985e2; --bad: #f47a75;
  --fresh: #16281d; --ending: #322b12; --waits: #3f2a14; --dead: #341d20;`

export const STYLE: string = `
:host { ${LIGHT} color-scheme: light; display: block; color: var(--ink); font: 13px/1.45 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { :host(:not([theme="light"])) { ${DARK} color-scheme: dark } }
:host([theme="dark"]) { ${DARK} color-scheme: dark }
:host([hidden]) { display: none }
* { box-sizing: border-box }
:host(:not([docked])) section { height: 100% }
.panel { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; display: flex; flex-direction: column; height: 100% }
.head { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; padding: 6px 10px; border-bottom: 1px solid var(--line) }
.counts { flex: 1 1 12em; color: var(--soft); font-variant-numeric: tabular-nums }
:host([plain]) .head, :host([plain]) .legend { display: none }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 5px; padding: 1px 9px; cursor: pointer; min-height: 24px }
button:hover { border-color: var(--accent) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px }
.axis, .row { display: grid; grid-template-columns: var(--names, 195px) minmax(0, 1fr) var(--results, 110px); align-items: center }
.axis { height: 18px; color: var(--soft); font-size: 11px; border-bottom: 1px solid var(--line) }
.ticks { position: relative; height: 100%; grid-column: 2; overflow: hidden }
.ticks span { position: absolute; top: 0; border-left: 1px solid var(--line); padding-left: 3px; white-space: nowrap; font-variant-numeric: tabular-nums }
.view { position: relative; overflow-y: auto; overflow-x: hidden; height: var(--height, 286px); flex: 1 1 auto; min-height: 66px; scrollbar-gutter: stable; contain: strict }
:host([plain]) .view { scrollbar-gutter: auto; min-height: 28px }
:host([plain]) .panel { overflow: visible; --names: 110px; --results: 96px }
:host([plain]) .row { font-size: 11px } :host([plain]) .track s { top: 3px; bottom: 3px } :host([plain]) s.held { top: 5px !important; bottom: 5px !important }
:host([plain]) .detail { position: absolute; left: 0; right: 0; top: 100%; z-index: 5; background: var(--paper); border: 1px solid var(--line); border-radius: 0 0 8px 8px; box-shadow: 0 4px 10px #0003; min-height: 0 }
:host([plain]) .detail:not(.told) { display: none }
.pinned { position: sticky; top: 0; z-index: 3; background: var(--paper); border-bottom: 1px solid var(--line) }
.sky { position: sticky; top: 0; height: 0; z-index: 0 }
.sky > div { position: absolute; left: var(--names, 195px); right: var(--results, 110px); top: 0; overflow: hidden }
.sky i { position: absolute; top: 0; bottom: 0 }
i.fresh { background: var(--fresh) } i.ending { background: var(--ending) } i.waits { background: var(--waits) } i.dead { background: var(--dead) }
.rows { position: relative }
.rows .row { position: absolute; left: 0; right: 0; top: 0; height: var(--row, ${ROW}px); will-change: transform }
.row { min-height: var(--row, ${ROW}px); cursor: default }
.row[aria-selected="true"] .label, .row[aria-selected="true"] .result { background: var(--chosen) }
.view:focus-visible .row[aria-selected="true"] { outline: 2px solid var(--accent); outline-offset: -2px }
.label, .result { padding: 0 8px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; line-height: var(--row, ${ROW}px) }
.label b { font-weight: 600 } .label em { font-style: normal; color: var(--soft); border: 1px solid var(--line); border-radius: 3px; padding: 0 3px; margin-right: 4px; font-size: 11px }
.result { color: var(--soft); font-variant-numeric: tabular-nums } .failed .result { color: var(--bad); font-weight: 600 }
.track { position: relative; height: 100%; overflow: hidden }
.track s { position: absolute; top: 5px; bottom: 5px; min-width: 2px; border-radius: 2px; text-decoration: none }
s.held { background: var(--held); top: 9px !important; bottom: 9px !important }
s.sent { background: var(--sent) } s.replay { background: var(--replay) }
s.refresh { background: var(--refresh) } s.refresh.bad { background: var(--bad) } s.refresh.elsewhere { background: repeating-linear-gradient(135deg, var(--refresh) 0 4px, transparent 4px 7px); outline: 1px solid var(--refresh); outline-offset: -1px }
s.refused, s.recalled, s.lost { width: 0; min-width: 0 !important; overflow: visible }
s.refused::after, s.recalled::after, s.lost::after { position: absolute; left: -5px; top: 50%; transform: translateY(-50%); font: 700 13px/1 system-ui, sans-serif; content: "×"; color: var(--bad); text-shadow: 0 0 2px var(--paper), 0 0 2px var(--paper), 0 0 3px var(--paper) }
s.recalled::after { content: "«"; color: var(--refresh) } s.lost::after { content: "✖"; font-size: 11px }
.detail { border-top: 1px solid var(--line); padding: 6px 10px; min-height: 4.4em; overflow-wrap: anywhere }
.detail p { margin: 0 } .detail p:first-child { font-weight: 600 } .detail p + p { color: var(--soft) }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; padding: 5px 10px; border-top: 1px solid var(--line); color: var(--soft); font-size: 11px; list-style: none; margin: 0 }
.legend li { display: inline-flex; gap: 5px; align-items: center } .legend s, .legend i { position: relative; display: inline-block; width: 16px; height: 8px; border-radius: 2px; text-decoration: none }
.legend s.held { height: 4px; top: 0 !important } .legend s.refused, .legend s.recalled { width: 8px }
.legend s.refused::after, .legend s.recalled::after { left: 0 }
.legend i { border: 1px solid var(--line) }
.complaint { color: var(--bad) }
.toggle { display: none }
:host([docked]) { position: fixed; z-index: 2147483000; right: 12px; bottom: 12px; width: min(960px, calc(100vw - 24px)) }
:host([docked]) .toggle { display: block; margin-left: auto; background: var(--paper); border-radius: 14px; box-shadow: 0 1px 6px #0004; padding: 3px 12px }
:host([docked]) .panel { max-height: 70vh; height: auto; box-shadow: 0 2px 14px #0005; margin-bottom: 6px }
:host([docked]:not([open])) .panel { display: none }
:host([docked]:not([open])) { width: auto }
@container (max-width: 560px) { .axis, .row, .sky > div { --names: 104px; --results: 80px } .result { padding: 0 4px; font-size: 11px } .label { padding: 0 4px; font-size: 12px } }
.panel { container-type: inline-size }
@media (forced-colors: active) { s, i { forced-color-adjust: none } }
`
