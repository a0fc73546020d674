/** One image, large: its seed, its film, and its files. */

import { animated } from './apng.js';
import { player } from './player.js';
import { png, show } from './picture.js';

const LAST = 1500; // milliseconds for which the finished image is shown
const WHOLE = 3000; // and for the way to it

/**
 * @returns {(film: import('./film.js').Film, i: number, name: string, command: string) => void} opens it for image i
 */
export function dialog() {
  const place = document.querySelector('#image');
  const [canvas, words] = [place.querySelector('canvas'), place.querySelector('.numbers')];
  const [button, slider] = [place.querySelector('[name=play]'), place.querySelector('[name=place]')];
  const [still, moving] = [place.querySelector('[name=png]'), place.querySelector('[name=film]')];
  let film = null;
  let image = 0;
  const shown = (k) => {
    const { t, timestep } = film.moments[k];
    show(canvas, film.x(image, k), film.shape);
    words.textContent = t ? `x at t = ${timestep}` : 'the finished image';
    slider.setAttribute('aria-valuetext', words.textContent);
  };
  const play = player(button, slider, shown);
  place.addEventListener('close', () => {
    play.stop();
    for (const link of [still, moving]) URL.revokeObjectURL(link.href);
  });
  place.addEventListener('click', (event) => event.target === place && place.close()); // the darkened page around it

  return (of, i, name, command) => {
    [film, image] = [of, i];
    place.querySelector('h2').textContent = name;
    place.querySelector('code').textContent = command;
    canvas.setAttribute('aria-label', name);
    slider.max = film.moments.length - 1;
    play.at(film.moments.length - 1);
    files(film, i).then(([picture, animation]) => {
      const stem = `seed-${film.request.seeds[i]}`;
      Object.assign(still, { href: URL.createObjectURL(picture), download: `${stem}.png` });
      Object.assign(moving, { href: URL.createObjectURL(animation), download: `${stem}-film.png` });
    });
    place.showModal();
  };
}

/** The PNG of image i, and its film. */
async function files(film, i) {
  const canvas = document.createElement('canvas');
  const frames = [];
  for (let k = 0; k < film.moments.length; k++) {
    show(canvas, film.x(i, k), film.shape);
    frames.push(await png(canvas));
  }
  const short = Math.max(20, Math.round(WHOLE / frames.length));
  const milliseconds = frames.map((_, k) => (k === frames.length - 1 ? LAST : short));
  return [new Blob([frames.at(-1)], { type: 'image/png' }), animated(frames, milliseconds)];
}
