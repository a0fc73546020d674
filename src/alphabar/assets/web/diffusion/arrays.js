/** Arithmetic on whole batches of images, Float32Array. Coefficients are float64, and rounded to float32 when applied. */

/** a x + b y, or a x alone. */
export function combined(a, x, b = 0, y = null) {
  const [p, q] = [Math.fround(a), Math.fround(b)];
  return y ? x.map((value, i) => p * value + q * y[i]) : x.map((value) => p * value);
}

/** x + e^{½ log σ²} z, a sample of N(x, σ²) for z ~ N(0, I). log_var: one number, or one for each element of x. */
export function widened(x, log_var, z) {
  const all = typeof log_var === 'number' ? Math.fround(Math.exp(0.5 * log_var)) : null;
  return x.map((mean, i) => mean + (all ?? Math.exp(0.5 * log_var[i])) * z[i]);
}

/**
 * Two arrays: the first and the second half of the channels of a network's output (B, 2C, H, W).
 * @param {Float32Array} output
 * @param {number} size the elements of C channels
 */
export function halves(output, size) {
  const count = output.length / (2 * size);
  const taken = (offset) => {
    const half = new Float32Array(count * size);
    for (let i = 0; i < count; i++) {
      const start = (2 * i + offset) * size;
      half.set(output.subarray(start, start + size), i * size);
    }
    return half;
  };
  return [taken(0), taken(1)];
}

/** The arrays one after the other. */
export function joined(...arrays) {
  const whole = new Float32Array(arrays.reduce((sum, each) => sum + each.length, 0));
  let start = 0;
  for (const each of arrays) {
    whole.set(each, start);
    start += each.length;
  }
  return whole;
}
