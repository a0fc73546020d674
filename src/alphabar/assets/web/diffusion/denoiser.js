/** The denoiser: a network with the schedule, parameterization and reverse variance that interpret its output. */

import { combined, halves } from './arrays.js';
import { PARAMETERIZATIONS, posterior_mean_coefficients, x0_to_eps } from './parameterization.js';
import { X0_TRANSFORMS } from './thresholding.js';
import { VARIANCES } from './variance.js';

/**
 * The prediction at x_t: x̂_0, the ε̂ that corresponds to it, and log σ_t² of the reverse step.
 * @typedef {{x0: Float32Array, eps: Float32Array, log_var: number | Float32Array}} Prediction
 */

/**
 * @param {(x: Float32Array, time: number) => Promise<Float32Array>} network
 * @param {import('./schedule.js').NoiseSchedule} schedule
 * @param {object} about what the export says of the model: parameterization, variance, x0_transform, time_scale
 * @param {number} size the elements of an image, C · H · W
 * @returns {{schedule, predict: (x_t: Float32Array, t: number) => Promise<Prediction>}} t in 1..T of `schedule`
 */
export function denoiser(network, schedule, about, size) {
  const learned = about.variance.startsWith('learned');
  const to_x0 = PARAMETERIZATIONS[about.parameterization];
  const transform = X0_TRANSFORMS[about.x0_transform];
  return {
    schedule,
    async predict(x_t, t) {
      const output = await network(x_t, (schedule.timesteps[t] - 1) * about.time_scale); // networks count from 0
      const [mean, raw] = learned ? halves(output, size) : [output, null];
      const [chain, row] = schedule.trained(t); // μ̃_t depends on it
      const x0 = transform(to_x0(chain, mean, x_t, row), size);
      const log_var = VARIANCES[about.variance](schedule, t, raw);
      return { x0, eps: x0_to_eps(schedule, x0, x_t, t), log_var };
    },
  };
}

/** μ̃_t(x_t, x_0), the mean of q(x_{t−1} | x_t, x_0), DDPM Eq. 7; x_0 at t = 1. */
export function posterior_mean(schedule, x0, x_t, t) {
  const [from_x0, from_x_t] = posterior_mean_coefficients(schedule, t);
  return combined(from_x0, x0, from_x_t, x_t);
}
