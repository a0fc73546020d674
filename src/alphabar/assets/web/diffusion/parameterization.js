/** Parameterizations: what the network outputs, as a conversion of its output to x̂_0. t is a row of the trained chain. */

import { combined } from './arrays.js';

/** The weights of x_0 and of x_t in μ̃_t: √ᾱ_{t−1} β_t / (1 − ᾱ_t) and √α_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t), DDPM Eq. 7. */
export function posterior_mean_coefficients(schedule, t) {
  const [now, before] = [schedule.alpha_bar[t], schedule.alpha_bar[t - 1]];
  return [
    (Math.sqrt(before) * schedule.beta[t]) / (1 - now),
    (Math.sqrt(schedule.alpha[t]) * (1 - before)) / (1 - now),
  ];
}

/** x̂_0 = (x_t − √(1 − ᾱ_t) ε̂) / √ᾱ_t, DDPM Eq. 4 solved for x_0. */
function eps_to_x0(schedule, eps, x_t, t) {
  const alpha_bar = schedule.alpha_bar[t];
  const [signal, width] = [Math.sqrt(alpha_bar), Math.sqrt(1 - alpha_bar)].map(Math.fround);
  return x_t.map((value, i) => (value - width * eps[i]) / signal);
}

/** ε̂ = (x_t − √ᾱ_t x̂_0) / √(1 − ᾱ_t), DDPM Eq. 4 solved for ε. */
export function x0_to_eps(schedule, x0, x_t, t) {
  const alpha_bar = schedule.alpha_bar[t];
  const [signal, width] = [Math.sqrt(alpha_bar), Math.sqrt(1 - alpha_bar)].map(Math.fround);
  return x_t.map((value, i) => (value - signal * x0[i]) / width);
}

/** x̂_0 = √ᾱ_t x_t − √(1 − ᾱ_t) v (Salimans & Ho 2022, App. D). */
function v_to_x0(schedule, v, x_t, t) {
  const alpha_bar = schedule.alpha_bar[t];
  return combined(Math.sqrt(alpha_bar), x_t, -Math.sqrt(1 - alpha_bar), v);
}

/** The x̂_0 whose posterior has the mean μ, DDPM Eq. 7 solved for x_0. */
function mu_to_x0(schedule, mu, x_t, t) {
  const [from_x0, from_x_t] = posterior_mean_coefficients(schedule, t).map(Math.fround);
  return mu.map((value, i) => (value - from_x_t * x_t[i]) / from_x0);
}

export const PARAMETERIZATIONS = { eps: eps_to_x0, x0: (schedule, x0) => x0, mu: mu_to_x0, v: v_to_x0 };
