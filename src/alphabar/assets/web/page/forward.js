/** The forward process: an image, ours or the visitor's, with noise mixed in by two schedules. */

import { combined } from '../diffusion/arrays.js';
import { to_uint8 } from '../diffusion/generation.js';
import { Generator, randn } from '../diffusion/noise.js';
import { SCHEDULES } from '../diffusion/schedule.js';
import { curves } from './curves.js';
import { FORWARD, explained } from './equations.js';
import { pixels, show } from './picture.js';

const T = 1000;
const SIDE = 96;
const SEED = 0;

/** x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, DDPM Eq. 4. */
export function q_sample(schedule, x0, t, eps) {
  const alpha_bar = schedule.alpha_bar[t];
  return combined(Math.sqrt(alpha_bar), x0, Math.sqrt(1 - alpha_bar), eps);
}

/** 3 significant digits, for people. */
function readable(value) {
  if (!Number.isFinite(value)) return '∞';
  return value >= 0.001 && value < 100000 ? String(Number(value.toPrecision(3))) : value.toExponential(1).replace('e', ' · 10^');
}

/**
 * @param {(sentence: string) => void} failed shows an error
 * @returns {{offer: (x0: Float32Array, shape: number[]) => void}} `offer`: an image of the model, used until the visitor
 *     gives another
 */
export function forward(failed) {
  const form = document.querySelector('#forward');
  const schedules = Object.entries(SCHEDULES).map(([name, make]) => [name, make(T)]);
  const move = curves(document.querySelector('#curves'),
    Object.fromEntries(schedules.map(([name, { half_log_snr }]) => [name, half_log_snr.map((half) => 2 * half)])));
  let [image, offered] = [null, null];

  const draw = () => {
    const t = Number(form.t.value);
    form['t-value'].value = t;
    move(t);
    const words = schedules.map(([name, schedule]) => {
      const alpha_bar = schedule.alpha_bar[t];
      const canvas = document.querySelector(`#${name}`);
      if (image) show(canvas, to_uint8(q_sample(schedule, image.x0, t, image.eps)), image.shape);
      canvas.setAttribute('aria-label', `The image with the noise of step ${t}, ${name} schedule`);
      return `<b class="${name}">${name}</b>: ᾱ = ${readable(alpha_bar)}, SNR = ${readable(alpha_bar / (1 - alpha_bar))}`;
    });
    document.querySelector('#levels').innerHTML = words.join('<br>');
  };
  const use = (x0, shape) => {
    image = { x0, shape, eps: randn(new Generator(SEED), x0.length) };
    draw();
  };
  const take = (file) => {
    if (file) pixels(file, SIDE).then((x0) => use(x0, [3, SIDE, SIDE])).catch((error) => failed(error.message));
  };

  form.addEventListener('submit', (event) => event.preventDefault());
  form.t.addEventListener('input', draw);
  form.file.addEventListener('change', () => take(form.file.files[0]));
  form.last.addEventListener('click', () => use(offered.x0, offered.shape));
  accept(document.querySelector('#drop'), take);
  explained(document.querySelector('#forward-equation'), 'forward-equation-title', FORWARD);
  draw();
  return {
    offer(x0, shape) {
      offered = { x0, shape };
      form.last.disabled = false;
      if (!image) use(x0, shape);
    },
  };
}

/** Files that are dropped on `place`, or beside it: a page must not be left for a picture. */
function accept(place, take) {
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    place.classList.remove('over');
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  place.addEventListener('dragenter', () => place.classList.add('over'));
  place.addEventListener('dragleave', () => place.classList.remove('over'));
}
