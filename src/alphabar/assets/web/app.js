/** The page: the form, the worker that samples, and what is shown of it. */

import { forward } from './page/forward.js';
import { reverse } from './page/reverse.js';
import { settings } from './page/settings.js';

const [status, progress, error] = ['#status', '#progress', '#error'].map((id) => document.querySelector(id));
const form = document.querySelector('#settings');
const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
const noising = forward(failed);
let view = null; // of the reverse process, once there is a model
let read = null; // the request that the form makes
let [id, running] = [0, null];

/** Says what is going on; share: 0..1, or null if nothing is. */
function say(sentence, share = null) {
  status.textContent = sentence;
  progress.classList.toggle('idle', share === null);
  progress.value = share ?? 0;
}

function failed(sentence) {
  error.textContent = sentence;
  error.hidden = false;
}

function start() {
  running = { id: ++id, request: read() };
  view.begin(running.request);
  form.stop.disabled = false;
  worker.postMessage({ do: 'sample', ...running });
}

const HEARD = {
  loading({ loaded, total }) {
    say(`Loading the model: ${(loaded / 1e6).toFixed(1)} MB …`, total ? loaded / total : 0);
  },
  ready({ about, provider }) {
    form.provider.value = provider;
    form.querySelector('fieldset').disabled = false;
    if (view === null) {
      view = reverse(about);
      read = settings(form, about, view.explain);
      introduce(about);
    }
    say('The model is here.');
    start();
  },
  step(moment) {
    if (moment.id !== running?.id) return;
    view.add(moment);
    const { seeds, steps } = running.request;
    const share = 1 - moment.t / steps;
    const what = seeds.length === 1 ? 'an image' : `${seeds.length} images`;
    if (moment.t === steps || moment.t % Math.ceil(steps / 5) === 0) say(`Making ${what}: ${Math.round(100 * share)} %`, share);
    progress.value = share;
    if (moment.t === 0) offer(moment);
  },
  done({ id: ended, seconds, stopped }) {
    if (ended !== running?.id) return;
    view.end();
    form.stop.disabled = true;
    const count = running.request.seeds.length;
    say(stopped ? 'Stopped.' : `Made ${count === 1 ? 'an image' : `${count} images`} in ${seconds.toFixed(1)} seconds.`);
    running = null;
  },
  error({ doing, sentence }) {
    failed(sentence);
    say(doing === 'load' ? 'The model could not be loaded.' : 'The images could not be made.');
    view?.end();
    form.stop.disabled = true;
    if (form.provider.value === 'webgpu') change_provider('wasm'); // which every browser has; the error stays to be read
  },
};

/** The first image of a batch, for the forward process. */
function offer({ x }) {
  const { image_shape } = view.about;
  const size = image_shape.reduce((product, side) => product * side);
  noising.offer(Float32Array.from(x.subarray(0, size), (level) => level / 127.5 - 1), image_shape);
}

/** What the model is. */
function introduce(about) {
  const [channels, height, width] = about.image_shape;
  const kinds = about.classes.length ? `, of ${about.classes.length} kinds` : '';
  const colour = channels === 1 ? 'grey' : 'colour';
  const parameters = `${(about.parameters / 1e6).toFixed(1)} million parameters`;
  document.querySelector('#about').textContent =
    `The model: ${parameters}, trained on ${about.data} (${colour}, ${width}×${height}${kinds}); alphabar ${about.alphabar}.`;
}

/** Loads what computes the network, and samples with it. */
function change_provider(provider) {
  form.provider.value = provider;
  say(provider === 'webgpu' ? 'Loading the way to the graphics card …' : 'Going back to the processor …', 0);
  worker.postMessage({ do: 'load', provider });
}

/** Offers the graphics card, where the browser can use one. */
async function offer_webgpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (adapter) form.querySelector('[data-for=provider]').hidden = false;
}

worker.addEventListener('message', ({ data }) => HEARD[data.say](data));
worker.addEventListener('error', (event) => {
  event.preventDefault();
  HEARD.error({ doing: 'load', sentence: 'A file of this page is missing or broken; load the page again.' });
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  error.hidden = true;
  status.closest('.stage').scrollIntoView({ block: 'nearest' }); // on a phone it is above the form
  start();
});
form.stop.addEventListener('click', () => worker.postMessage({ do: 'stop' }));
form.provider.addEventListener('change', () => {
  error.hidden = true;
  change_provider(form.provider.value);
});
document.querySelector('#book-link').href = document.querySelector('meta[name=book]').content;
say('Loading the model …', 0);
worker.postMessage({ do: 'load', provider: 'wasm' });
offer_webgpu();
