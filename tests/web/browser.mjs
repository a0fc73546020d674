// A visit to the page, in Chromium: node browser.mjs < {"url", "chromium", "playwright", "shots"} prints what was seen.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const { url, chromium, playwright, shots } = JSON.parse(readFileSync(0, 'utf8'));
const { chromium: browser } = createRequire(join(playwright, 'x.js'))('playwright-core');
const QUIET = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const running = await browser.launch({ executablePath: chromium, args: QUIET });
const seen = { errors: [], requests: [] };
const system = await running.newBrowserCDPSession();
/** Seconds that the processes of Chromium have computed, which do not depend on what else the machine does. */
const computed = async () => {
  const { processInfo } = await system.send('SystemInfo.getProcessInfo');
  return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
};

/** A new visitor, with an empty cache. */
async function visit(size, more = {}) {
  const context = await running.newContext({ viewport: size, acceptDownloads: true, ...more });
  const page = await context.newPage();
  page.on('request', (request) => seen.requests.push(request.url()));
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && seen.errors.push(message.text()));
  return page;
}
const made = (page) => page.waitForFunction(() => /^Made/.test(document.querySelector('#status').textContent), null, { timeout: 120000 });
const shot = (page, name, full = true) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: full });

/** Sets the form, and waits for the images. */
async function make(page, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(`#settings [name=${name}]`);
    if (['INPUT'].includes(await field.evaluate((element) => element.tagName))) await field.fill(String(value));
    else await field.selectOption(String(value));
  }
  await page.evaluate(() => { document.querySelector('#status').textContent = ''; });
  await page.click('#settings [type=submit]');
  await made(page);
}

/** The grey levels of the images in the grid of x_t. */
const levels = (page) => page.evaluate(() => [...document.querySelectorAll('#noisy canvas')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, i) => i % 4 === 0);
}));

const VISITS = {
  /** How long until the first garment, for a new visitor. */
  async first() {
    const page = await visit({ width: 1280, height: 900 });
    const before = await computed();
    await page.goto(url);
    await made(page);
    seen.first_computed = (await computed()) - before;
    seen.first_seconds = await page.evaluate(() => performance.now() / 1000);
    seen.first_status = await page.textContent('#status');
    await shot(page, 'desktop');
    seen.cookies = (await page.context().cookies()).length;
    seen.stored = await page.evaluate(() => localStorage.length + sessionStorage.length);
    await page.context().close();
  },
  /** The images of seeds, to compare with Python's. */
  async seeds() {
    const page = await visit({ width: 1280, height: 900 });
    await page.goto(url);
    await made(page);
    await make(page, { label: 3, count: 4, seed: 5, sampler: 'ddim', steps: 12, guidance: 2 });
    seen.levels = await levels(page);
    await shot(page, 'desktop-guided');
    await page.focus('#noisy button:nth-child(2)'); // with the keyboard alone
    await page.keyboard.press('Enter');
    await page.waitForSelector('#image a[href^=blob]');
    seen.title = await page.textContent('#image-title');
    seen.command = await page.textContent('#image code');
    seen.files = [];
    for (const name of ['png', 'film']) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#image [name=${name}]`)]);
      const path = join(shots, download.suggestedFilename());
      await download.saveAs(path);
      seen.files.push(path);
    }
    await shot(page, 'desktop-image', false);
    await page.keyboard.press('Escape');
    seen.closed = await page.evaluate(() => !document.querySelector('#image').open);
    await page.fill('#place', '0');
    seen.place = await page.getAttribute('#place', 'aria-valuetext');
    await page.context().close();
  },
  /** A phone, in the dark. */
  async phone() {
    const page = await visit({ width: 390, height: 844 }, { colorScheme: 'dark', deviceScaleFactor: 2, hasTouch: true, isMobile: true });
    await page.goto(url);
    await made(page);
    await shot(page, 'phone');
    await page.setViewportSize({ width: 360, height: 740 });
    seen.too_wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    await page.tap('#noisy button');
    await page.waitForSelector('#image a[href^=blob]');
    await shot(page, 'phone-image', false);
    await page.context().close();
  },
  /** An image of the visitor's own, and the slider of the forward process. */
  async forward() {
    const page = await visit({ width: 1280, height: 900 });
    await page.goto(url);
    await made(page);
    const picture = await page.evaluate(() => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 300, height: 200 });
      const context = canvas.getContext('2d');
      context.fillStyle = '#d33';
      context.fillRect(0, 0, 150, 200);
      context.fillStyle = '#36c';
      context.fillRect(150, 0, 150, 200);
      return canvas.toDataURL().split(',')[1];
    });
    const files = (name, mimeType, buffer) => page.setInputFiles('#forward [name=file]', { name, mimeType, buffer });
    await files('own.png', 'image/png', Buffer.from(picture, 'base64'));
    await page.fill('[name=t]', '400');
    await page.waitForFunction(() => document.querySelector('#linear').width === 96);
    seen.forward = await page.textContent('#levels');
    await page.locator('section').nth(1).screenshot({ path: join(shots, 'forward.png') });
    await files('own.txt', 'image/png', Buffer.from('no image'));
    await page.waitForSelector('#error:not([hidden])');
    seen.no_image = await page.textContent('#error');
    await page.context().close();
  },
  /** A second request while the first is running, and stopping. */
  async stop() {
    const page = await visit({ width: 1280, height: 900 });
    await page.goto(url);
    await made(page);
    await page.selectOption('#settings [name=sampler]', 'ddpm');
    await page.click('#settings [type=submit]');
    await make(page, { sampler: 'ddim', steps: 3, count: 1, seed: 9 });
    seen.after_another = await page.textContent('#where');
    await page.selectOption('#settings [name=sampler]', 'ddpm');
    await page.click('#settings [type=submit]');
    await page.click('#settings [name=stop]');
    await page.waitForFunction(() => document.querySelector('#status').textContent === 'Stopped.');
    seen.stopped = true;
    await page.context().close();
  },
  /** A graphics card that cannot be used. */
  async fallback() {
    const before = seen.errors.length;
    const page = await visit({ width: 1280, height: 900 });
    await page.route('**/ort.webgpu.min.mjs', (route) => route.fulfill({ status: 404 }));
    await page.goto(url);
    await made(page);
    await page.evaluate(() => { document.querySelector('[data-for=provider]').hidden = false; });
    await page.selectOption('#settings [name=provider]', 'webgpu');
    await page.waitForSelector('#error:not([hidden])');
    await made(page);
    seen.fallback = await page.inputValue('#settings [name=provider]');
    seen.fallback_error = await page.textContent('#error');
    seen.errors.splice(before); // the browser's own words on the missing file
    await page.context().close();
  },
  /** What is said where the model, or WebAssembly, is missing. */
  async missing() {
    const before = seen.errors.length;
    const page = await visit({ width: 1280, height: 900 });
    await page.route('**/model.onnx', (route) => route.fulfill({ status: 404 }));
    await page.goto(url);
    await page.waitForSelector('#error:not([hidden])');
    seen.no_model = await page.textContent('#error');
    const other = await visit({ width: 1280, height: 900 });
    await other.route('**/worker.js', async (route) => {
      const reply = await route.fetch();
      await route.fulfill({ response: reply, body: `self.WebAssembly = undefined;\n${await reply.text()}` });
    });
    await other.goto(url);
    await other.waitForSelector('#error:not([hidden])');
    seen.no_wasm = await other.textContent('#error');
    seen.errors.splice(before); // the browser's own words on the missing file
    await page.context().close();
    await other.context().close();
  },
};

try {
  for (const name of process.argv.slice(2).length ? process.argv.slice(2) : Object.keys(VISITS)) await VISITS[name]();
} finally {
  await running.close();
}
process.stdout.write(JSON.stringify(seen));
