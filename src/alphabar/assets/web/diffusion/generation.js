/** Images from seeds: the same seed, class and settings give the image that Python samples. */

import { denoiser } from './denoiser.js';
import { guided } from './guidance.js';
import { seededNoise } from './noise.js';
import { SAMPLERS, reverse_process } from './samplers.js';
import { NoiseSchedule } from './schedule.js';
import { spaced } from './spacing.js';

/**
 * How images are sampled.
 * @typedef {object} Request
 * @property {number[]} seeds one for each image
 * @property {number[]?} labels a class for each image; null for a network without classes
 * @property {string} sampler a key of SAMPLERS
 * @property {number} steps
 * @property {number} guidance_scale 1 is no guidance
 */

/**
 * The reverse process of a request: first x_T, then the state after every step, down to x_0.
 * @param {import('./guidance.js').Network} network
 * @param {object} about what the export says of the model
 * @param {Request} request
 * @returns {AsyncGenerator<{t: number, timestep: number, x: Float32Array, x0: Float32Array?}>}
 */
export async function* generated(network, about, request) {
  const size = about.image_shape.reduce((product, side) => product * side);
  const whole = new NoiseSchedule(about.alpha_bar);
  const schedule = whole.respace(spaced(whole, SAMPLERS[request.sampler].spacing, request.steps));
  const noise = seededNoise(request.seeds, size);
  const x = noise();
  const conditional = guided(network, request.labels, about.no_class, request.guidance_scale, size);
  yield { t: schedule.T, timestep: schedule.timesteps[schedule.T], x, x0: null };
  const model = denoiser(conditional, schedule, about, size);
  for await (const step of reverse_process(request.sampler, model, x, noise)) {
    yield { ...step, timestep: schedule.timesteps[step.t] };
  }
}

/** Pixels in [−1, 1] as grey levels 0..255. */
export function to_uint8(x) {
  return Uint8Array.from(x, (value) => Math.min(255, Math.max(0, Math.round((value + 1) * 127.5))));
}
