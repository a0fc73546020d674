/** The films of a batch: x_t and x̂_0 at the moments of the reverse process, as grey levels. */

/** More moments than this are thinned out evenly; the first and the last are always kept. */
const MOST = 200;

export class Film {
  /**
   * @param {import('../diffusion/generation.js').Request} request
   * @param {number[]} shape [C, H, W] of an image
   */
  constructor(request, shape) {
    this.request = request;
    this.shape = shape;
    this.size = shape.reduce((product, side) => product * side);
    /** @type {{t: number, timestep: number, x: Uint8Array, x0: Uint8Array?}[]} */
    this.moments = [];
    this.every = Math.ceil(request.steps / MOST);
  }

  /** Keeps a moment, if it is one of those that are kept. */
  add(moment) {
    if (this.moments.length === 0 || moment.t === 0 || moment.t % this.every === 0) this.moments.push(moment);
  }

  /** x_t of image i at moment k. */
  x(i, k) {
    return this.moments[k].x.subarray(i * this.size, (i + 1) * this.size);
  }

  /** x̂_0 of image i at moment k; before the first guess: nothing but the middle grey. */
  x0(i, k) {
    const { x0 } = this.moments[k];
    return x0 ? x0.subarray(i * this.size, (i + 1) * this.size) : new Uint8Array(this.size).fill(128);
  }
}
