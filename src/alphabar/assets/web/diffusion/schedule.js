/** The noise schedule: the table ᾱ_t, t = 0..T, from which all other coefficients of a DDPM follow. */

/** ᾱ_t = ∏_{s≤t} (1 − β_s) for t = 0..T (DDPM §2); row 0 is the data, ᾱ_0 = 1. All tables are float64. */
export class NoiseSchedule {
  /**
   * @param {number[]} alpha_bar T + 1 values, not increasing from 1
   * @param {number[]} [timesteps] the row of each step in the chain that the network was trained on
   * @param {NoiseSchedule} [full] that chain, if this one is a respacing of it
   */
  constructor(alpha_bar, timesteps = alpha_bar.map((_, t) => t), full = null) {
    this.alpha_bar = alpha_bar;
    this.timesteps = timesteps;
    this.full = full;
    this.T = alpha_bar.length - 1;
    /** α_t = ᾱ_t / ᾱ_{t−1}; α_0 = 1. */
    this.alpha = alpha_bar.map((value, t) => (t ? value / alpha_bar[t - 1] : value));
    /** β_t = 1 − α_t, the variance that step t adds; β_0 = 0. */
    this.beta = this.alpha.map((value) => 1 - value);
    /** β̃_t = β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t), the variance of q(x_{t−1} | x_t, x_0), DDPM Eq. 7; β̃_1 = 0. */
    this.beta_tilde = this.beta.map((value, t) => (t ? (value * (1 - alpha_bar[t - 1])) / (1 - alpha_bar[t]) : 0));
    /** log β̃_t with β̃_1 = 0 replaced by β̃_2 (by β_1 if T = 1), so that the decoder has a finite width. */
    this.log_beta_tilde = this.beta_tilde.map((value, t) => Math.log(t > 1 ? value : this.#first()));
    /** λ_t = ½ log(ᾱ_t / (1 − ᾱ_t)); +∞ at t = 0, −∞ where ᾱ_t = 0. */
    this.half_log_snr = alpha_bar.map((value) => 0.5 * (Math.log(value) - Math.log(1 - value)));
  }

  #first() {
    return this.T > 1 ? this.beta_tilde[2] : this.beta[1];
  }

  /** The shorter chain that visits only `rows`, 1 ≤ rows[0] < rows[1] < ... ≤ T (IDDPM §4). */
  respace(rows) {
    const index = [0, ...rows];
    const taken = (table) => index.map((row) => table[row]);
    return new NoiseSchedule(taken(this.alpha_bar), taken(this.timesteps), this.full ?? this);
  }

  /** The chain that the network was trained on, and the row of this chain's step t in it. */
  trained(t) {
    return this.full ? [this.full, this.full.timesteps.indexOf(this.timesteps[t])] : [this, t];
  }
}

/** The schedule with the given β_1..β_T. */
export function from_betas(betas) {
  const alpha_bar = [1];
  for (const beta of betas) alpha_bar.push(alpha_bar.at(-1) * (1 - beta));
  return new NoiseSchedule(alpha_bar);
}

/** β linear from 1e-4 to 0.02 (DDPM §4), times 1000/T, so that ᾱ_T hardly depends on T (IDDPM). */
export function linear(T, beta_start = 1e-4, beta_end = 0.02) {
  const beta = (k) => (1000 / T) * (beta_start + ((beta_end - beta_start) * k) / Math.max(T - 1, 1));
  return from_betas(Array.from({ length: T }, (_, k) => beta(k)));
}

/** ᾱ_t = f(t)/f(0), f(t) = cos²((t/T + s)/(1 + s) · π/2), with β_t ≤ 0.999 (IDDPM Eq. 17). */
export function cosine(T, s = 0.008, max_beta = 0.999) {
  const f = (t) => Math.cos(((t / T + s) / (1 + s)) * (Math.PI / 2)) ** 2;
  return from_betas(Array.from({ length: T }, (_, k) => Math.min(1 - f(k + 1) / f(k), max_beta)));
}

export const SCHEDULES = { linear, cosine };
