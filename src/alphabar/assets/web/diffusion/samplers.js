/** Samplers: one reverse step x_t -> x_{t−1} each, with the timesteps that it visits by default. */

import { combined, widened } from './arrays.js';
import { posterior_mean } from './denoiser.js';

/**
 * The chain after a step: the level t that it has reached, x_t there, and the step's estimate x̂_0.
 * @typedef {{t: number, x: Float32Array, x0: Float32Array}} Step
 */

/** x_{t−1} ~ p_θ(x_{t−1} | x_t), DDPM Alg. 2; the last step returns the mean, which is x̂_0. */
async function ddpm(denoiser, x, t, before, noise) {
  const { x0, log_var } = await denoiser.predict(x, t);
  const mean = posterior_mean(denoiser.schedule, x0, x, t);
  return { t: t - 1, x: t > 1 ? widened(mean, log_var, noise()) : mean, x0 };
}

/** x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) ε̂, DDIM Eq. 12 with η = 0. */
function without_noise(schedule, { x0, eps }, s) {
  const alpha_bar = schedule.alpha_bar[s];
  return combined(Math.sqrt(alpha_bar), x0, Math.sqrt(1 - alpha_bar), eps);
}

async function ddim(denoiser, x, t) {
  const prediction = await denoiser.predict(x, t);
  return { t: t - 1, x: without_noise(denoiser.schedule, prediction, t - 1), x0: prediction.x0 };
}

/** x̄_s = x̄_t + (σ_s − σ_t)(ε̂_t + ε̂_s)/2 in x̄ = x/√ᾱ, σ = √((1 − ᾱ)/ᾱ) (Karras et al. 2022, Alg. 1). */
async function heun(denoiser, x, t) {
  const { alpha_bar, half_log_snr } = denoiser.schedule;
  const here = await denoiser.predict(x, t);
  const x_s = without_noise(denoiser.schedule, here, t - 1);
  if (t === 1 || alpha_bar[t] === 0) return { t: t - 1, x: x_s, x0: here.x0 };
  const there = await denoiser.predict(x_s, t - 1);
  const half = (Math.sqrt(alpha_bar[t - 1]) * (Math.exp(-half_log_snr[t - 1]) - Math.exp(-half_log_snr[t]))) / 2;
  const bend = there.eps.map((value, i) => value - here.eps[i]);
  return { t: t - 1, x: combined(1, x_s, half, bend), x0: here.x0 };
}

/**
 * DPM-Solver++(2M) (Lu et al. 2022b): x̂_0 in the middle of the step, on the line through the last two.
 * eta: 0 solves the probability flow (ibid. Alg. 2), 1 the reverse SDE (ibid. §4.3).
 */
const dpmpp_2m = (eta) => async (denoiser, x, t, before, noise) => {
  const { half_log_snr } = denoiser.schedule;
  const { x0 } = await denoiser.predict(x, t);
  let ahead = x0;
  if (before && t > 1) {
    const r = (half_log_snr[t] - half_log_snr[t + 1]) / (half_log_snr[t - 1] - half_log_snr[t]);
    const change = x0.map((value, i) => value - before.x0[i]);
    ahead = combined(1, x0, 1 / (2 * r), change);
  }
  return { t: t - 1, x: exponential_step(denoiser.schedule, x, ahead, t, eta, noise), x0 };
};

/** x_s = (σ_s/σ_t) e^{−ηh} x_t + α_s (1 − e^{−(1+η)h}) x̂_0 + σ_s √(1 − e^{−2ηh}) z, s = t − 1, h = λ_s − λ_t. */
function exponential_step(schedule, x, x0, t, eta, noise) {
  const signal = (row) => Math.sqrt(schedule.alpha_bar[row]);
  const width = (row) => Math.sqrt(1 - schedule.alpha_bar[row]);
  const s = t - 1;
  const decay = (signal(t) * width(s)) / (signal(s) * width(t)); // e^{−h}
  const x_s = combined((width(s) / width(t)) * decay ** eta, x, signal(s) * (1 - decay ** (1 + eta)), x0);
  if (eta === 0 || s === 0) return x_s;
  return combined(1, x_s, width(s) * Math.sqrt(1 - decay ** (2 * eta)), noise());
}

/** Each with the spacing, the number of steps (null: all T) and the network calls per step, as in Python. */
export const SAMPLERS = {
  dpmpp_2m_sde: { step: dpmpp_2m(1), spacing: 'karras', steps: 10, calls: 1 },
  dpmpp_2m: { step: dpmpp_2m(0), spacing: 'karras', steps: 15, calls: 1 },
  heun: { step: heun, spacing: 'half_log_snr', steps: 15, calls: 2 },
  ddim: { step: ddim, spacing: 'uniform', steps: 50, calls: 1 },
  ddpm: { step: ddpm, spacing: 'uniform', steps: null, calls: 1 },
};

/**
 * The states of the chain from x = x_T down to x_0, one by one (DDPM Alg. 2).
 * @returns {AsyncGenerator<Step>}
 */
export async function* reverse_process(sampler, denoiser, x, noise) {
  let before = null;
  for (let t = denoiser.schedule.T; t > 0; t--) {
    before = await SAMPLERS[sampler].step(denoiser, x, t, before, noise);
    yield before;
    x = before.x;
  }
}
