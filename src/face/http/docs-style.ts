// Docs style: how the page of docs.ts looks, by day and by night.

export const DOCS_STYLE = `
:root { color-scheme: light dark; --ink: #1c2127; --soft: #5b6670; --line: #e3e7ea; --ground: #fff; --panel: #f6f8f9;
  --accent: #0f766e; --get: #0f766e; --put: #7c5800; --post: #1d4ed8; --patch: #7c3aed; --delete: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaed; --soft: #97a3ad; --line: #2a3138; --ground: #14181c;
  --panel: #1b2025; --accent: #5eead4; --get: #5eead4; --put: #fbbf24; --post: #93b4ff; --patch: #c4a7ff; --delete: #ff9b8f; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1.5rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; display: grid; grid-template-columns: 19rem minmax(0, 1fr); background: var(--ground); color: var(--ink);
  font: 15px/1.6 system-ui, -apple-system, 'Segoe UI', sans-serif; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem 3rem 1.5rem; background: var(--panel);
  border-right: 1px solid var(--line); font-size: 13px; }
nav .brand { font-size: 17px; font-weight: 650; color: var(--ink); letter-spacing: -.01em; }
nav h2 { margin: 1.4rem 0 .3rem; font-size: 11px; font-weight: 600; text-transform: uppercase; letter-spacing: .07em; color: var(--soft); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: flex; gap: .5rem; align-items: baseline; padding: .2rem .4rem; border-radius: 5px; color: var(--ink); }
nav li a:hover, nav li a:focus-visible { background: var(--line); text-decoration: none; }
nav .method { flex: none; width: 3.1rem; font-size: 10px; }
main { padding: 2.5rem clamp(1rem, 4vw, 4rem) 6rem; max-width: 62rem; }
h1 { margin: 0 0 .5rem; font-size: 30px; line-height: 1.2; letter-spacing: -.02em; }
main h2 { margin: 3.5rem 0 .5rem; font-size: 21px; letter-spacing: -.01em; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
code, pre { font: 13px/1.55 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
p code, td code { padding: .08em .3em; border-radius: 4px; background: var(--panel); }
pre { padding: 1rem 1.2rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); }
article { margin: 1rem 0; padding: 1.1rem 1.3rem; border: 1px solid var(--line); border-radius: 10px; }
article:target { border-color: var(--accent); }
article h3 { margin: 0; font-size: 15px; font-weight: 500; overflow-wrap: anywhere; } article h3 code { font-size: 14px; }
article h3 i { font-style: normal; color: var(--accent); } article p { margin: .4rem 0; } .summary { font-weight: 600; }
.method { font: 600 11px/1 ui-monospace, Menlo, Consolas, monospace; letter-spacing: .03em; }
.get { color: var(--get); } .put { color: var(--put); } .post { color: var(--post); } .patch { color: var(--patch); } .delete { color: var(--delete); }
.label { margin: 1rem 0 .2rem !important; font-size: 11px; font-weight: 600; text-transform: uppercase; letter-spacing: .07em; color: var(--soft); }
.wide { overflow-x: auto; } table { width: 100%; border-collapse: collapse; font-size: 13.5px; }
th, td { padding: .4rem .8rem .4rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); font-weight: 400; }
tr:first-child > * { border-top: 0; } th { width: 11rem; white-space: nowrap; } .type { width: 14rem; color: var(--soft); } small { color: var(--soft); }
@media (max-width: 800px) { body { display: block; } nav { position: static; height: auto; max-height: 40vh; border: 0;
  border-bottom: 1px solid var(--line); } main { padding-top: 1.5rem; } th, .type { width: auto; } th { white-space: normal; } }
@media print { nav { display: none; } body { display: block; } article { break-inside: avoid; } }
`;
