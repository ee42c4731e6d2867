//! How the page looks: one column that fits a phone, colours for light and dark, no font and no image of its own.

/// The style sheet.
pub const STYLE: &str = "
:root { --ink: #1c2024; --dim: #5b6470; --page: #fff; --line: #d8dde3; --old: #b9c3cf; --old-ink: #66717e; --new: #0b62c4;
  --good: #0f6b3a; --good-page: #e3f4ea; --bad: #a3201b; --bad-page: #fdeaea; --mid: #7a5200; --mid-page: #fdf2dc; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --dim: #a2acb8; --page: #14171a; --line: #343b43; --old: #4a545f; --old-ink: #98a4b1; --new: #6cb2ff;
    --good: #7fd8a4; --good-page: #14301f; --bad: #ff9d97; --bad-page: #3a1716; --mid: #f0c674; --mid-page: #352811; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: 1rem; }
.about { color: var(--dim); margin: .25rem 0; overflow-wrap: anywhere; }
.verdict { border-radius: .4rem; padding: .6rem .8rem; overflow-wrap: anywhere; }
.passed { background: var(--good-page); color: var(--good); }
.failed { background: var(--bad-page); color: var(--bad); }
.badge { border-radius: 1rem; padding: .05rem .6rem; font-size: .85rem; font-weight: 600; white-space: nowrap; }
.badge.equal, .badge.within { background: var(--good-page); color: var(--good); }
.badge.declared { background: var(--mid-page); color: var(--mid); }
.badge.outside { background: var(--bad-page); color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .75rem 0; }
caption { text-align: left; color: var(--dim); padding-bottom: .25rem; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td { white-space: nowrap; }
td.text { text-align: left; white-space: normal; min-width: 14rem; }
thead th { color: var(--dim); font-weight: 600; }
a { color: var(--new); }
ul { margin: .5rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: .5rem 0; flex: 1 1 18rem; min-width: 0; max-width: 34rem; }
figcaption { color: var(--dim); font-size: .9rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--dim); font: 12px system-ui, sans-serif; }
svg .old { fill: var(--old); }
svg .new { fill: none; stroke: var(--new); stroke-width: 2; }
svg .point { fill: var(--new); }
svg .axis { stroke: var(--line); }
svg .same { stroke: var(--old-ink); stroke-dasharray: 4 4; }
svg .newbar { fill: var(--new); }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; vertical-align: -.05rem; }
.key.of-old { background: var(--old); }
.key.of-new { background: var(--new); }
details { margin: .5rem 0; }
summary { cursor: pointer; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
";
