// Opens the pages of a server in headless Chromium, each in light and dark, on a desk and on a phone, with JavaScript
// and without. Says what axe-core finds, what is wider than the window, and which request went to another host.
//
//     node check.js TOOLS CHROMIUM http://HOST:PORT [FOLDER_FOR_SCREENSHOTS]
'use strict';

const fs = require('fs');
const path = require('path');

const [tools, chromium, address, screenshots] = process.argv.slice(2);
const { chromium: browserType } = require(path.join(tools, 'node_modules/playwright-core'));
const axe = fs.readFileSync(path.join(tools, 'node_modules/axe-core/axe.min.js'), 'utf8');

const WINDOWS = [
  { name: 'desk-light', width: 1280, height: 900, colorScheme: 'light' },
  { name: 'desk-dark', width: 1280, height: 900, colorScheme: 'dark' },
  { name: 'phone-light', width: 390, height: 844, colorScheme: 'light' },
  { name: 'phone-dark', width: 390, height: 844, colorScheme: 'dark' },
];

// One page of each kind, and those that a form leads to; the rest are found by their links.
const FIRST = ['/', '/?group=tag', '/?status=wrong', '/changes', '/search', '/search?q=e', '/search?q=nothing_is_called_so', '/views/none@1', '/no/such/page'];
const MOST_OF_A_KIND = 4;

const problems = [];

function kind(url) {
  return url.pathname.split('/')[1];
}

async function links(page, seen) {
  const found = await page.$$eval('a[href]', (all) => all.map((a) => (a.href.baseVal !== undefined ? new URL(a.href.baseVal, location).href : a.href)));
  for (const href of found) {
    const url = new URL(href);
    if (url.origin !== address) problems.push(`${page.url()}: a link to another host, ${href}`);
    const plain = url.pathname + url.search;
    const alike = [...seen].filter((other) => kind(new URL(other, address)) === kind(url)).length;
    if (url.origin === address && !seen.has(plain) && alike < MOST_OF_A_KIND) seen.add(plain);
  }
}

async function check(page, where, name) {
  const response = await page.goto(address + where, { waitUntil: 'load' });
  const expected = where.includes('none@1') || where.includes('/no/') ? 404 : 200;
  if (response.status() !== expected) problems.push(`${name} ${where}: status ${response.status()}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) problems.push(`${name} ${where}: ${wide} pixels wider than the window`);
  const found = await page.evaluate(async (source) => {
    // The policy of the page forbids scripts: what the browser's tools run is not the page's.
    (0, eval)(source);
    return (await globalThis.axe.run({ resultTypes: ['violations'] })).violations;
  }, axe);
  for (const violation of found) {
    const nodes = violation.nodes.slice(0, 3).map((node) => node.html).join('\n    ');
    problems.push(`${name} ${where}: axe ${violation.id}: ${violation.help}\n    ${nodes}`);
  }
  if (screenshots) {
    const file = `${where.replace(/[^a-z0-9]+/gi, '_').replace(/^_|_$/g, '') || 'overview'}-${name}.png`;
    await page.screenshot({ path: path.join(screenshots, file), fullPage: true });
  }
}

// Everything that a person reads and uses is there without JavaScript: tables, drawings, and the form of a read.
async function withoutScripts(browser, seen) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  for (const where of seen) {
    await page.goto(address + where);
    if ((await page.locator('h1').count()) !== 1) problems.push(`without JavaScript ${where}: not one h1`);
    if ((await page.locator('script').count()) !== 0) problems.push(`without JavaScript ${where}: a script`);
  }
  const service = [...seen].find((where) => where.startsWith('/services/') && !where.includes('?'));
  await page.goto(address + service);
  for (const input of await page.locator('form.read input[required]').all()) await input.fill('1');
  await page.locator('form.read button').click();
  if ((await page.locator('[role=status]').count()) !== 1) problems.push(`without JavaScript ${service}: the read gave nothing`);
  await context.close();
}

// From the top by the keyboard alone: the first stop skips to the content, and each stop can be seen.
async function byKeyboard(browser) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${address}/`);
  await page.keyboard.press('Tab');
  if ((await page.evaluate(() => document.activeElement.className)) !== 'skip') problems.push('by keyboard: the first stop is not the skip link');
  await page.keyboard.press('Enter');
  if (!page.url().endsWith('#content')) problems.push('by keyboard: the skip link does not lead to the content');
  for (let stop = 0; stop < 12; stop += 1) {
    await page.keyboard.press('Tab');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    if (outline === 'none') problems.push(`by keyboard: stop ${stop} shows no focus`);
  }
  await context.close();
}

(async () => {
  const browser = await browserType.launch({ executablePath: chromium, args: ['--no-sandbox'] });
  const seen = new Set(FIRST);
  for (const window of WINDOWS) {
    const context = await browser.newContext({ viewport: { width: window.width, height: window.height }, colorScheme: window.colorScheme });
    const page = await context.newPage();
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin !== address && url.protocol !== 'data:') problems.push(`a request to another host: ${request.url()}`);
    });
    // What the console says of the policy is a fault of the page, but not what axe is refused.
    page.on('pageerror', (error) => problems.push(`${page.url()}: ${error}`));
    for (const where of seen) {
      await check(page, where, window.name);
      if (window === WINDOWS[0]) await links(page, seen);
    }
    await context.close();
  }
  await withoutScripts(browser, seen);
  await byKeyboard(browser);
  await browser.close();
  for (const problem of problems) console.error(problem);
  console.log(`${seen.size} pages in ${WINDOWS.length} windows: ${problems.length} problems`);
  process.exit(problems.length === 0 ? 0 : 1);
})();
