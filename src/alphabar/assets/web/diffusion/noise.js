/**
 * N(0, 1) as torch.randn samples it on the CPU in float32, so that a seed means the same image here and in Python.
 *
 * A Mersenne Twister (MT19937) gives 24-bit uniform numbers; Box-Muller turns them into normal ones, in blocks of 16:
 * number j and number j + 8 of a block share a radius and an angle (ATen, DistributionTemplates.h, normal_fill).
 */

const WORDS = 624;
const BLOCK = 16;
const HALF = BLOCK / 2;

/** torch.Generator on the CPU: uniform 32-bit words from a seed below 2³². */
export class Generator {
  #state = new Uint32Array(WORDS);
  #next = WORDS;

  /** @param {number} seed an integer in 0..2³² − 1 */
  constructor(seed) {
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new RangeError(`A seed is a whole number from 0 to ${2 ** 32 - 1}; got ${seed}.`);
    }
    this.#state[0] = seed;
    for (let i = 1; i < WORDS; i++) {
      const before = this.#state[i - 1];
      this.#state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
  }

  /** The next word, 0..2³² − 1. */
  word() {
    if (this.#next === WORDS) this.#refill();
    let y = this.#state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #refill() {
    const s = this.#state;
    for (let i = 0; i < WORDS; i++) {
      const y = (s[i] & 0x80000000) | (s[(i + 1) % WORDS] & 0x7fffffff);
      s[i] = s[(i + 397) % WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }

  /** A multiple of 2⁻²⁴ in [0, 1). */
  uniform() {
    return (this.word() & 0xffffff) / 2 ** 24;
  }
}

/**
 * torch.randn(size, generator=generator) in float32.
 * @param {Generator} generator
 * @param {number} size at least 16: torch samples shorter lists in another way
 * @returns {Float32Array}
 */
export function randn(generator, size) {
  if (size < BLOCK) throw new RangeError(`randn gives at least ${BLOCK} numbers; got the size ${size}.`);
  const numbers = Float32Array.from({ length: size }, () => generator.uniform());
  for (let start = 0; start + BLOCK <= size; start += BLOCK) boxMuller(numbers, start);
  if (size % BLOCK) { // the last 16 are sampled again
    for (let i = size - BLOCK; i < size; i++) numbers[i] = generator.uniform();
    boxMuller(numbers, size - BLOCK);
  }
  return numbers;
}

/** 16 uniform numbers from `start` on become 16 normal ones, in place. */
function boxMuller(numbers, start) {
  for (let j = start; j < start + HALF; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - numbers[j]));
    const theta = 2 * Math.PI * numbers[j + HALF];
    numbers[j] = radius * Math.cos(theta);
    numbers[j + HALF] = radius * Math.sin(theta);
  }
}

/**
 * The noise of a batch, in which image i has its own generator: it depends on seeds[i] alone, whatever the batch is.
 * @param {number[]} seeds
 * @param {number} size the numbers in an image
 * @returns {() => Float32Array} the next noise of all images, one after the other
 */
export function seededNoise(seeds, size) {
  const generators = seeds.map((seed) => new Generator(seed));
  return () => {
    const noise = new Float32Array(seeds.length * size);
    generators.forEach((generator, i) => noise.set(randn(generator, size), i * size));
    return noise;
  };
}
