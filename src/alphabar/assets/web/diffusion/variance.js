/** The variance of the reverse step, as log σ_t²: one number, or a Float32Array with one for each pixel. */

/** σ_t² = β̃_t; β̃_2 at t = 1. */
function fixed_small(schedule, t) {
  return schedule.log_beta_tilde[t];
}

/** σ_t² = β_t; β̃_2 at t = 1. */
function fixed_large(schedule, t) {
  return t > 1 ? Math.log(schedule.beta[t]) : schedule.log_beta_tilde[t];
}

/** log σ_t² is the network's output. */
function learned(schedule, t, raw) {
  return raw;
}

/** log σ_t² = f log β_t + (1 − f) log β̃_t, f = (v + 1)/2, v the network's output (IDDPM Eq. 15). */
function learned_range(schedule, t, raw) {
  const [low, high] = [schedule.log_beta_tilde[t], Math.log(schedule.beta[t])].map(Math.fround);
  return raw.map((v) => ((v + 1) / 2) * high + (1 - (v + 1) / 2) * low);
}

export const VARIANCES = { fixed_small, fixed_large, learned, learned_range };
