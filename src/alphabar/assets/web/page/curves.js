/** log₁₀ SNR over t for the schedules, with a dot at t. */

const [WIDTH, HEIGHT] = [520, 240];
const [LEFT, RIGHT, TOP, BOTTOM] = [54, 10, 12, 40];
const [LOW, HIGH] = [-5, 4];

/**
 * @param {HTMLElement} place
 * @param {Record<string, number[]>} log_snr natural logarithms by the schedule's name, for t = 0..T
 * @returns {(t: number) => void} moves the dots
 */
export function curves(place, log_snr) {
  const T = Object.values(log_snr)[0].length - 1;
  const x = (t) => LEFT + (t / T) * (WIDTH - LEFT - RIGHT);
  const y = (log) => {
    const decades = Math.min(HIGH, Math.max(LOW, log / Math.LN10));
    return TOP + ((HIGH - decades) / (HIGH - LOW)) * (HEIGHT - TOP - BOTTOM);
  };
  const ticks = [-4, -2, 0, 2, 4].map((power) => {
    const level = y(power * Math.LN10);
    const label = { 0: '1', 2: '100', 4: '10⁴', '-2': '0.01', '-4': '10⁻⁴' }[power];
    return `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${level}" y2="${level}"/>
      <text x="${LEFT - 6}" y="${level + 4}" text-anchor="end">${label}</text>`;
  });
  const times = [0, T / 2, T].map((t) => `<text x="${x(t)}" y="${HEIGHT - 22}" text-anchor="${t === T ? 'end' : 'middle'}">${t}</text>`);
  const lines = Object.entries(log_snr).map(([name, values]) => {
    const points = values.slice(1).map((value, k) => `${x(k + 1).toFixed(1)},${y(value).toFixed(1)}`);
    return `<path class="${name}" d="M${points.join('L')}"/><circle class="${name}" r="6"/>`;
  });
  place.innerHTML = `<svg class="curves" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="levels">
    ${ticks.join('')}${times.join('')}<text x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - 4}" text-anchor="middle">step t</text>
    <text x="${LEFT + 8}" y="${HEIGHT - BOTTOM - 8}">SNR: signal to noise</text>${lines.join('')}</svg>`;
  const dots = Object.keys(log_snr).map((name) => place.querySelector(`circle.${name}`));
  return (t) => Object.values(log_snr).forEach((values, k) => {
    const at = Math.max(t, 1); // at t = 0 there is no noise, and SNR is infinite
    dots[k].setAttribute('cx', x(at));
    dots[k].setAttribute('cy', y(values[at]));
  });
}
