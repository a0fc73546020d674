/** Classifier-free guidance (Ho & Salimans 2022), in one network call for 2B images. */

import { joined } from './arrays.js';

/**
 * @typedef {(x: Float32Array, time: number, y: number[]?) => Promise<Float32Array>} Network
 * (x_t (B, C, H, W), time, y (B)) -> the output (B, C, H, W), or (B, 2C, H, W) if the variance is learned.
 */

/**
 * The network whose mean half is that of no class + w (that of y − that of no class); w = 1 is no guidance.
 * A learned variance is that of y.
 * @param {Network} network
 * @param {number[]?} y a class for each image; null for a network without classes
 * @param {number?} no_class the number that means "no class"
 * @param {number} w the guidance scale
 * @param {number} size the elements of C channels
 * @returns {(x: Float32Array, time: number) => Promise<Float32Array>}
 */
export function guided(network, y, no_class, w, size) {
  if (y === null || w === 1) return (x, time) => network(x, time, y);
  return async (x, time) => {
    const both = await network(joined(x, x), time, [...y, ...y.map(() => no_class)]);
    const [out, none] = [both.slice(0, both.length / 2), both.subarray(both.length / 2)];
    const channels = out.length / y.length; // of an image: C or 2C of them
    const scale = Math.fround(w);
    for (let start = 0; start < out.length; start += channels) {
      for (let i = start; i < start + size; i++) out[i] = none[i] + scale * (out[i] - none[i]);
    }
    return out;
  };
}
