// Reads one question as JSON, and prints what the page's JavaScript answers: the Python tests compare it with theirs.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const question = JSON.parse(readFileSync(0, 'utf8'));
const page = (name) => import(pathToFileURL(`${question.page}/diffusion/${name}.js`));

const { Generator, randn, seededNoise } = await page('noise');
const { NoiseSchedule, SCHEDULES } = await page('schedule');
const { spaced } = await page('spacing');
const { denoiser } = await page('denoiser');
const { guided } = await page('guidance');
const { SAMPLERS, reverse_process } = await page('samplers');

const ANSWERS = {
  randn: ({ seed, sizes }) => {
    const generator = new Generator(seed);
    return sizes.map((size) => [...randn(generator, size)]);
  },
  schedule: ({ name, T, rows }) => {
    const schedule = SCHEDULES[name](T);
    const { alpha_bar, beta_tilde, log_beta_tilde, half_log_snr, timesteps } = rows ? schedule.respace(rows) : schedule;
    return { alpha_bar, beta_tilde, log_beta_tilde, half_log_snr: half_log_snr.slice(1), timesteps };
  },
  spacing: ({ name, alpha_bar, steps }) => spaced(new NoiseSchedule(alpha_bar), name, steps),
  samplers: () => Object.entries(SAMPLERS).map(([name, { spacing, steps, calls }]) => ({ name, spacing, steps, calls })),
  chain: async ({ about, sampler, rows, seeds, size, y, guidance }) => {
    const learned = about.variance.startsWith('learned');
    const network = guided((x, time, y) => analytic(x, time, y, size, learned), y, about.no_class, guidance, size);
    const schedule = new NoiseSchedule(about.alpha_bar).respace(rows);
    const noise = seededNoise(seeds, size);
    const steps = [];
    const chain = reverse_process(sampler, denoiser(network, schedule, about, size), noise(), noise);
    for await (const { t, x, x0 } of chain) steps.push({ t, x: [...x], x0: [...x0] });
    return steps;
  },
};

// The network of tests/web/test_web_samplers.py: each pixel's output depends on it, on the time and on the class.
async function analytic(x, time, y, size, learned) {
  const channels = learned ? 2 : 1;
  const out = new Float32Array(x.length * channels);
  for (let i = 0; i < x.length; i++) {
    const image = Math.floor(i / size);
    const place = image * size * channels + (i % size);
    out[place] = Math.tanh(0.8 * x[i] + time / 1000 + (y ? 0.1 * y[image] : 0));
    if (learned) out[place + size] = Math.sin(3 * x[i]);
  }
  return out;
}

process.stdout.write(JSON.stringify(await Promise.all(question.asked.map((one) => ANSWERS[one.what](one)))));
