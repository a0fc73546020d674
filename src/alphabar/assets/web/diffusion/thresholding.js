/** Transforms that bring the prediction x̂_0 into the pixel range [−1, 1] before it is used. */

/** x̂_0 clamped to [−1, 1], as in Ho's sampler. */
function clip(x0) {
  return x0.map((value) => Math.min(1, Math.max(-1, value)));
}

/** x̂_0 clamped to [−s, s] and divided by s ≥ 1, the quantile of |x̂_0| in each image (Imagen §2.3). */
function dynamic(x0, size, quantile = 0.995) {
  const out = new Float32Array(x0.length);
  for (let start = 0; start < x0.length; start += size) {
    const image = x0.subarray(start, start + size);
    const sorted = image.map(Math.abs).sort();
    const place = quantile * (size - 1);
    const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    const s = Math.max(1, below + (above - below) * (place % 1));
    out.set(image.map((value) => Math.min(s, Math.max(-s, value)) / s), start);
  }
  return out;
}

export const X0_TRANSFORMS = { none: (x0) => x0, clip, dynamic };
