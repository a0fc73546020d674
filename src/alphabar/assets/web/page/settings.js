/** The form: what to make, and how. */

import { SAMPLERS } from '../diffusion/samplers.js';

const NAMES = {
  dpmpp_2m_sde: 'DPM-Solver++(2M) SDE',
  dpmpp_2m: 'DPM-Solver++(2M)',
  heun: 'Heun',
  ddim: 'DDIM',
  ddpm: 'DDPM (the original)',
};
const EACH = 'each';
const NONE = 'none';
/** The steps at which the form begins, where a sampler's own number would take minutes. */
const FEW = 100;
const SEEDS = 2 ** 32;

const option = (value, text) => new Option(text, value);

/**
 * Fills the form for a model, and reads it.
 * @param {HTMLFormElement} form
 * @param {object} about what the export says of the model
 * @param {(request: import('../diffusion/generation.js').Request) => void} changed called after each change
 * @returns {() => import('../diffusion/generation.js').Request}
 */
export function settings(form, about, changed) {
  const T = about.alpha_bar.length - 1;
  const { classes } = about;
  form.sampler.replaceChildren(...Object.keys(SAMPLERS).map((name) => option(name, NAMES[name])));
  form.sampler.value = about.sampling.sampler in SAMPLERS ? about.sampling.sampler : Object.keys(SAMPLERS)[0];
  form.label.replaceChildren(option(EACH, 'each kind in turn'), ...classes.map((name, k) => option(k, name)));
  if (about.no_class !== null) form.label.append(option(NONE, 'any kind (no class)'));
  hide(form, 'label', !classes.length);
  hide(form, 'guidance', about.no_class === null);
  form.guidance.value = about.no_class === null ? 1 : about.sampling.guidance_scale;
  form.steps.max = T;

  const own_steps = () => {
    const { steps } = SAMPLERS[form.sampler.value];
    form.steps.value = Math.min(steps ?? T, FEW, T);
    const usual = steps === null ? `the original took all ${T}, which takes a while here` : `it was made for about ${Math.min(steps, T)}`;
    form.querySelector('#steps-help').textContent = `How often the network is asked: ${usual}.`;
  };
  const update = () => {
    form.guidance.disabled = form.label.value === NONE;
    if (form.guidance.disabled) form.guidance.value = 1;
    form['guidance-value'].value = form.guidance.value;
    changed(read(form, classes.length, about.no_class));
  };
  form.sampler.addEventListener('change', own_steps);
  form.addEventListener('input', update);
  form.reseed.addEventListener('click', () => {
    form.seed.value = Math.floor(Math.random() * SEEDS);
    form.requestSubmit();
  });
  own_steps();
  update();
  return () => read(form, classes.length, about.no_class);
}

/** The request that the form makes. Image k has the seed + k, as `--seeds` has in Python. */
function read(form, classes, no_class) {
  const count = Number(form.count.value);
  const first = Math.min(Number(form.seed.value), SEEDS - count);
  const seeds = Array.from({ length: count }, (_, k) => first + k);
  const label = { [EACH]: (seed) => seed % classes, [NONE]: () => no_class }[form.label.value] ?? (() => Number(form.label.value));
  return {
    seeds,
    labels: classes ? seeds.map(label) : null,
    sampler: form.sampler.value,
    steps: Number(form.steps.value),
    guidance_scale: Number(form.guidance.value),
  };
}

function hide(form, name, hidden) {
  for (const part of form.querySelectorAll(`[data-for=${name}]`)) part.hidden = hidden;
}

/** The name of an image: its class and its seed. */
export function named(about, request, i) {
  const label = request.labels?.[i];
  const kind = label === undefined ? 'Image' : (about.classes[label] ?? 'Any kind');
  return `${kind}, seed ${request.seeds[i]}`;
}

/** The command that samples image i in Python. */
export function command(about, request, i) {
  const label = request.labels?.[i];
  const kind = label === undefined ? '' : ` --class ${label === about.no_class ? NONE : label}`;
  const guidance = request.guidance_scale === 1 ? '' : ` --guidance ${request.guidance_scale}`;
  const { spacing } = SAMPLERS[request.sampler];
  return `alphabar sample RUN --seeds ${request.seeds[i]}${kind} --sampler ${request.sampler} --steps ${request.steps} --spacing ${spacing}${guidance}`;
}
