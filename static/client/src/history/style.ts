// How the panel looks. A page may set the properties `--tutti-…`.

export const STYLE = `
:host {
  --page: var(--tutti-page, light-dark(#f5f1ea, #15131a));
  --surface: var(--tutti-surface, light-dark(#fffdf9, #1d1a23));
  --hover: var(--tutti-hover, light-dark(#ebe5da, #262230));
  --line: var(--tutti-line, light-dark(#e3dccf, #2f2a39));
  --line-strong: var(--tutti-line-strong, light-dark(#cfc6b6, #443d52));
  --ink: var(--tutti-ink, light-dark(#241f2e, #ece7f1));
  --ink-2: var(--tutti-ink-2, light-dark(#5d5668, #b3abbf));
  --accent: var(--tutti-accent, light-dark(#94620f, #e5b75f));
  --primary: var(--tutti-primary, light-dark(#241f2e, #efe9dd));
  --on-primary: var(--tutti-on-primary, light-dark(#fffdf9, #1d1a23));
  --came: light-dark(#1f6b43, #7fd6a5);
  --went: light-dark(#a3271d, #f5998b);
  --sans: var(--tutti-sans, system-ui, -apple-system, 'Segoe UI', sans-serif);
  --serif: var(--tutti-serif, var(--sans));
  --mono: ui-monospace, 'SF Mono', 'Cascadia Code', 'Liberation Mono', Menlo, monospace;
}
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, h3, p, ol, ul { margin: 0; padding: 0; }
button, input, select { font: inherit; color: inherit; }
button { cursor: pointer; }
button:disabled { opacity: 0.45; cursor: default; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.icon { flex: none; width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }

dialog { padding: 0; border: 0; background: var(--surface); color: var(--ink); font: 400 14px/1.45 var(--sans); accent-color: var(--accent); }
dialog::backdrop { background: #15131a80; }
.panel { position: fixed; inset: 0; width: calc(100vw - 48px); max-width: 1360px; height: calc(100dvh - 48px); max-height: none; margin: auto; border-radius: 16px; overflow: hidden; box-shadow: 0 24px 64px -12px #0007; }
.panel[open] { display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr) 320px; }

.head { grid-column: 1 / -1; display: flex; align-items: center; gap: 12px; min-height: 60px; padding: 8px 12px 8px 24px; border-bottom: 1px solid var(--line); }
.head h2 { font: 400 23px/1.3 var(--serif); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; flex: 1; min-width: 0; max-height: 44px; overflow: hidden; margin-left: 12px; list-style: none; }
.legend li { display: inline-flex; align-items: center; gap: 7px; color: var(--ink-2); font-size: 13px; white-space: nowrap; }
.dot { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--who); }

.button { display: inline-flex; align-items: center; justify-content: center; gap: 8px; min-height: 38px; padding: 0 14px; border: 1px solid var(--line-strong); border-radius: 10px; background: var(--surface); font-weight: 550; white-space: nowrap; }
.button:hover:not(:disabled) { background: var(--hover); }
.button.primary { border-color: transparent; background: var(--primary); color: var(--on-primary); }
.button.primary:hover:not(:disabled) { background: var(--primary); opacity: 0.88; }
.icon-button { display: inline-grid; place-items: center; flex: none; width: 40px; height: 40px; padding: 0; border: 0; border-radius: 10px; background: none; color: var(--ink-2); }
.icon-button:hover:not(:disabled) { background: var(--hover); color: var(--ink); }
.play { border-radius: 50%; background: var(--primary); color: var(--on-primary); }
.play:hover:not(:disabled) { background: var(--primary); color: var(--on-primary); opacity: 0.88; }

.stage { position: relative; min-height: 0; overflow: auto; padding: 28px clamp(16px, 5vw, 72px) 48px; background: var(--page); }
.stage:focus-visible { outline-offset: -3px; }
.caption { max-width: 760px; margin: 0 auto 14px; color: var(--ink-2); font-size: 13px; font-variant-numeric: tabular-nums; }
.caption b { color: var(--ink); font-weight: 600; }
.came { color: var(--came); }
.went { color: var(--went); }
.sheet { max-width: 760px; min-height: 160px; margin: 0 auto; padding: clamp(18px, 4vw, 44px); border: 1px solid var(--line); border-radius: 12px; background: var(--surface); font-size: 16px; line-height: 1.75; overflow-wrap: anywhere; }
.sheet:empty::before { content: attr(data-empty); color: var(--ink-2); }
.sheet > .block { content-visibility: auto; contain-intrinsic-size: auto 1.75em; }
.sheet.is-text .block { white-space: pre-wrap; }
.sheet p, .sheet pre, .sheet ul, .sheet ol, .sheet blockquote, .sheet h1, .sheet h2, .sheet h3, .sheet h4, .sheet h5, .sheet h6 { margin: 0 0 0.6em; }
.sheet h1, .sheet h2, .sheet h3 { font: 400 1.7em/1.25 var(--serif); }
.sheet h2 { font-size: 1.4em; }
.sheet h3 { font-size: 1.2em; }
.sheet ul, .sheet ol { padding-inline-start: 1.5em; }
.sheet li > p { margin: 0; }
.sheet blockquote { padding-inline-start: 1em; border-inline-start: 3px solid var(--line-strong); }
.sheet pre { padding: 0.8em 1em; border-radius: 8px; background: var(--page); font: 0.88em/1.6 var(--mono); white-space: pre-wrap; }
.sheet td, .sheet th { padding: 4px 8px; border: 1px solid var(--line-strong); text-align: start; vertical-align: top; }
.labelled { padding: 6px 10px; border: 1px dashed var(--line-strong); border-radius: 8px; }
.labelled::before { content: attr(data-label); display: block; color: var(--ink-2); font-size: 12px; }
.object { padding: 1px 6px; border: 1px dashed var(--line-strong); border-radius: 6px; color: var(--ink-2); font-size: 0.85em; }
.bold { font-weight: 680; }
.italic { font-style: italic; }
.code { font-family: var(--mono); font-size: 0.9em; }
.underline { text-decoration: underline; }
.strike { text-decoration: line-through; }
ins, del { text-decoration: none; border-radius: 3px; }

.sheet:not(.is-compared) .run { background: color-mix(in srgb, var(--who) 11%, transparent); box-shadow: inset 0 -2px color-mix(in srgb, var(--who) 62%, transparent); }
.sheet:not(.is-compared) .run.new { background: color-mix(in srgb, var(--who) 42%, transparent); }
.is-compared ins.run { background: color-mix(in srgb, var(--came) 20%, transparent); text-decoration: underline 2px color-mix(in srgb, var(--came) 70%, transparent); text-underline-offset: 3px; }
.is-compared del.run { background: color-mix(in srgb, var(--went) 16%, transparent); color: var(--went); text-decoration: line-through; }
.is-compared .run.changed, .is-compared .block.changed { background: color-mix(in srgb, var(--accent) 18%, transparent); }
.is-compared .block.after { box-shadow: var(--aside, -6px) 0 var(--surface), calc(var(--aside, -6px) - 3px) 0 var(--came); }
.is-compared .block.before { box-shadow: var(--aside, -6px) 0 var(--surface), calc(var(--aside, -6px) - 3px) 0 var(--went); }
.is-compared li { --aside: -1.3em; }

.is-compared .block:is(.after, .before) .block { box-shadow: none; }

.list { display: flex; flex-direction: column; min-height: 0; border-left: 1px solid var(--line); }
.rows { flex: 1; overflow: auto; padding: 8px; list-style: none; }
.rows h3 { padding: 14px 12px 6px; color: var(--ink-2); font-size: 12px; font-weight: 600; }
.row { display: flex; align-items: center; border-radius: 10px; }
.row:hover { background: var(--hover); }
.row.is-current { background: var(--hover); box-shadow: inset 3px 0 var(--accent); }
.go { flex: 1; min-width: 0; padding: 9px 12px; border: 0; border-radius: 10px; background: none; text-align: start; }
.row-title { display: flex; align-items: center; gap: 8px; font-weight: 550; font-variant-numeric: tabular-nums; }
.row-title .icon { width: 16px; height: 16px; color: var(--accent); }
.row-label { overflow: hidden; text-overflow: ellipsis; }
.row-people { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; margin-top: 3px; color: var(--ink-2); font-size: 12.5px; }
.row-people span { display: inline-flex; align-items: center; gap: 5px; }
.row-people .dot { width: 8px; height: 8px; }
.note { padding: 16px 20px; color: var(--ink-2); }

.foot { grid-column: 1 / -1; display: flex; align-items: center; gap: 8px 16px; padding: 12px 16px; border-top: 1px solid var(--line); }
.player { display: flex; align-items: center; gap: 4px; flex: 1; min-width: 0; }
.track { position: relative; flex: 1; min-width: 0; margin: 0 8px; }
.strip { position: absolute; inset-inline: 9px; top: 50%; height: 8px; margin-top: -4px; border-radius: 4px; background: var(--line-strong); }
.pin { position: absolute; top: -13px; width: 10px; height: 12px; margin-left: -5px; background: var(--accent); clip-path: polygon(0 0, 100% 0, 100% 60%, 50% 100%, 0 60%); }
.slider { position: relative; display: block; width: 100%; height: 40px; margin: 0; background: none; appearance: none; cursor: pointer; }
.slider::-webkit-slider-runnable-track { height: 8px; background: none; }
.slider::-moz-range-track { height: 8px; background: none; }
.slider::-webkit-slider-thumb { appearance: none; width: 18px; height: 26px; margin-top: -9px; border: 3px solid var(--surface); border-radius: 9px; background: var(--primary); box-shadow: 0 1px 4px #0006; }
.slider::-moz-range-thumb { width: 12px; height: 20px; border: 3px solid var(--surface); border-radius: 9px; background: var(--primary); box-shadow: 0 1px 4px #0006; }
.steps { flex: none; min-width: 9ch; color: var(--ink-2); font-size: 13px; font-variant-numeric: tabular-nums; text-align: end; white-space: nowrap; }
.actions { display: flex; align-items: center; gap: 8px; }
.compare { display: inline-flex; align-items: center; gap: 8px; min-height: 38px; padding-inline-start: 12px; border: 1px solid var(--line-strong); border-radius: 10px; color: var(--ink-2); }
.compare:focus-within { outline: 2px solid var(--accent); outline-offset: 2px; }
.compare select { max-width: 170px; min-height: 36px; padding-inline: 2px 8px; border: 0; border-radius: 10px; background: var(--surface); outline: none; }

.skeleton { max-width: 760px; margin: 0 auto; padding: 44px; }
.skeleton i { display: block; height: 14px; margin: 0 0 18px; border-radius: 7px; background: var(--line); animation: breathe 1.4s ease-in-out infinite; }
.skeleton i:nth-child(2n) { width: 82%; }
.skeleton i:nth-child(3n) { width: 64%; }
@keyframes breathe { 50% { opacity: 0.45; } }
@media (prefers-reduced-motion: reduce) { .skeleton i { animation: none; } }
.card { max-width: 460px; margin: 10vh auto; text-align: center; }
.card p { margin: 8px 0 20px; color: var(--ink-2); }

.ask { width: min(440px, calc(100vw - 32px)); padding: 24px; border-radius: 16px; box-shadow: 0 24px 64px -12px #0009; }
.ask h2 { font: 400 21px/1.3 var(--serif); }
.ask p { margin-top: 10px; color: var(--ink-2); }
.ask .error { color: var(--went); }
.ask label { display: block; margin-top: 16px; font-weight: 550; }
.ask input { width: 100%; min-height: 42px; margin-top: 6px; padding: 0 12px; border: 1px solid var(--line-strong); border-radius: 10px; background: var(--page); }
.ask-actions { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 8px; margin-top: 22px; }
.ask-actions .quiet { margin-inline-end: auto; border-color: transparent; background: none; color: var(--went); }

.list-button { display: none; }
@media (max-width: 899px) {
  .panel { width: 100vw; height: 100dvh; border-radius: 0; }
  .panel[open] { grid-template-columns: minmax(0, 1fr); }
  .head { padding-inline-start: 16px; min-height: 56px; }
  .legend { flex-wrap: nowrap; overflow-x: auto; margin-left: 4px; scrollbar-width: none; }
  .list-button { display: inline-flex; }
  .stage { grid-area: 2 / 1; }
  .list { grid-area: 2 / 1; justify-self: end; z-index: 1; width: min(340px, 88vw); background: var(--surface); box-shadow: -12px 0 32px -16px #0008; }
  .list:not(.is-open) { display: none; }
  .foot { flex-direction: column; align-items: stretch; padding: 8px 12px max(10px, env(safe-area-inset-bottom)); }
  .actions { flex-wrap: wrap; }
  .actions .button { flex: 1; padding: 0 10px; }
  .compare { flex: 1 1 100%; }
  .compare select { flex: 1; max-width: none; }
  .stage { padding: 16px 12px 32px; }
  .sheet { padding: 18px; }
  .steps { min-width: 0; font-size: 12px; }
}
`
