/**
 * Samples away from the page, so that the page stays quick.
 *
 * In:  {do: 'load', provider}, {do: 'sample', id, request}, {do: 'stop'}.
 * Out: {say: 'loading', loaded, total}, {say: 'ready', about, provider}, {say: 'step', id, ...}, {say: 'done', id,
 *      seconds, stopped}, {say: 'error', sentence}.
 */

import { generated, to_uint8 } from './diffusion/generation.js';
import { fetched } from './fetched.js';
import { network } from './network.js';

const RUNTIMES = { wasm: 'ort.wasm.min.mjs', webgpu: 'ort.webgpu.min.mjs' };
const MODEL = {};
let wanted = null; // the id of the request that is to be sampled
let work = Promise.resolve(); // one thing after another: the network takes one call at a time

const ACTIONS = { load, sample };

addEventListener('message', ({ data }) => {
  wanted = data.id ?? null; // whatever comes next ends what is being sampled
  if (data.do === 'stop') return;
  work = work.then(() => ACTIONS[data.do](data)).catch((error) => {
    postMessage({ say: 'error', doing: data.do, sentence: sentence(error) });
  });
});

/** The model and its runtime; a second call changes the runtime alone. */
async function load({ provider }) {
  if (typeof WebAssembly !== 'object') throw new Error('This browser has no WebAssembly, which the model needs; try a newer one.');
  const folder = new URL('./ort/', import.meta.url).href;
  const told = (loaded, total) => postMessage({ say: 'loading', loaded, total });
  const [ort, about, content] = await Promise.all([
    import(folder + RUNTIMES[provider]).catch(() => {
      throw new Error(`The file ort/${RUNTIMES[provider]} was not found on this server; export the page again.`);
    }),
    MODEL.about ?? fetched('model.json').then((bytes) => JSON.parse(new TextDecoder().decode(bytes))),
    MODEL.content ?? fetched('model.onnx', told),
  ]);
  Object.assign(MODEL, { about, content });
  ort.env.wasm.numThreads = 1; // more threads need headers that a static host does not send
  ort.env.wasm.wasmPaths = folder;
  MODEL.network = await network(ort, MODEL.about, MODEL.content, provider);
  postMessage({ say: 'ready', about: MODEL.about, provider });
}

/** The reverse process of a request, step by step. */
async function sample({ id, request }) {
  const start = performance.now();
  for await (const { t, timestep, x, x0 } of generated(MODEL.network, MODEL.about, request)) {
    postMessage({ say: 'step', id, t, timestep, x: to_uint8(x), x0: x0 && to_uint8(x0) });
    await new Promise((resume) => setTimeout(resume)); // so that messages are heard
    if (wanted !== id) break;
  }
  postMessage({ say: 'done', id, seconds: (performance.now() - start) / 1000, stopped: wanted !== id });
}

/** An error as one sentence for the page. */
function sentence(error) {
  const text = String(error?.message ?? error).split('\n')[0].trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
