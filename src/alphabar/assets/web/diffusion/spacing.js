/** Spacings: which K of the T timesteps a shorter reverse process visits, as ascending rows in 1..T. */

/** The largest σ = √((1 − ᾱ)/ᾱ) of the grids over σ, where the image is about 1 % of the noise. */
const NOISIEST = 80;

/** To the nearest whole number; halves go to the even one, as in Python. */
export function rounded(value) {
  const floor = Math.floor(value);
  const gap = value - floor;
  return gap > 0.5 || (gap === 0.5 && floor % 2) ? floor + 1 : floor;
}

/** Evenly spaced from 1 to T, including both; only T if steps = 1. */
function uniform(schedule, steps) {
  if (steps === 1) return [schedule.T];
  const stride = (schedule.T - 1) / (steps - 1);
  const rows = [];
  for (let k = 0, offset = 0; k < steps; k++, offset += stride) rows.push(1 + rounded(offset));
  return rows;
}

/** Rows nearest to levels evenly spaced in λ = ½ log(ᾱ/(1 − ᾱ)) (DPM-Solver), from σ ≤ 80 down to t = 1. */
function half_log_snr(schedule, steps) {
  const [noisiest, cleanest] = log_sigmas(schedule);
  return nearest(schedule, evenly(cleanest, noisiest, steps));
}

/** Rows nearest to levels evenly spaced in σ^{1/ρ}, ρ = 7 (EDM Eq. 5), from σ ≤ 80 down to t = 1. */
function karras(schedule, steps, rho = 7) {
  const [noisiest, cleanest] = log_sigmas(schedule).map((log_sigma) => Math.exp(log_sigma / rho));
  return nearest(schedule, evenly(cleanest, noisiest, steps).map((root) => rho * Math.log(root)));
}

/** `count` evenly spaced numbers from `start` to `end`, including both; only `end` if count is 1. */
function evenly(start, end, count) {
  if (count === 1) return [end];
  return Array.from({ length: count }, (_, k) => start + ((end - start) * k) / (count - 1));
}

/** [log σ of the noisiest level that is visited, log σ of t = 1]. */
function log_sigmas(schedule) {
  return [Math.min(-schedule.half_log_snr[schedule.T], Math.log(NOISIEST)), -schedule.half_log_snr[1]];
}

/** The rows nearest to these levels, ascending. If two would coincide, the noisier one moves to the next row. */
function nearest(schedule, levels) {
  const K = levels.length;
  const rows = levels.map((level) => closest(schedule, level));
  for (let k = 1; k < K; k++) rows[k] = Math.max(rows[k], rows[k - 1] + 1);
  return rows.map((row, k) => Math.min(row, schedule.T - (K - 1 - k)));
}

function closest(schedule, log_sigma) {
  const gap = (t) => Math.abs(-schedule.half_log_snr[t] - log_sigma);
  let best = 1;
  for (let t = 2; t <= schedule.T; t++) if (gap(t) < gap(best)) best = t;
  return best;
}

export const SPACINGS = { uniform, half_log_snr, karras };

/** The rows that SPACINGS[spacing] chooses, 1 ≤ steps ≤ T. */
export function spaced(schedule, spacing, steps) {
  if (!Number.isInteger(steps) || steps < 1 || steps > schedule.T) {
    throw new RangeError(`Steps are a whole number from 1 to ${schedule.T}, the length of this model's chain; got ${steps}.`);
  }
  return SPACINGS[spacing](schedule, steps);
}
