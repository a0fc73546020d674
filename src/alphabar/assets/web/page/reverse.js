/** The reverse process on the page: images appear in it while they are sampled, and can be looked at again. */

import { dialog } from './dialog.js';
import { EQUATIONS, explained } from './equations.js';
import { Film } from './film.js';
import { player } from './player.js';
import { command, named } from './settings.js';
import { tiles } from './tiles.js';

/** @param {object} about what the export says of the model */
export function reverse(about) {
  const get = (id) => document.querySelector(`#${id}`);
  const [button, slider, where] = [get('play'), get('place'), get('where')];
  const open = dialog();
  let [film, noisy, guess] = [null, null, null];

  const shown = (k) => {
    const { t, timestep } = film.moments[k];
    for (let i = 0; i < film.request.seeds.length; i++) {
      noisy(i, film.x(i, k), film.shape);
      guess(i, film.x0(i, k), film.shape);
    }
    where.textContent = described(about, t, timestep, k, film.request.steps);
    slider.setAttribute('aria-valuetext', where.textContent);
  };
  const play = player(button, slider, shown);

  return {
    about,
    /** The equation of a request that is about to be sampled. */
    explain(request) {
      explained(get('equation'), 'equation-title', EQUATIONS[request.sampler], request.guidance_scale);
    },
    /** A new batch. */
    begin(request) {
      play.stop();
      film = new Film(request, about.image_shape);
      const of = film;
      const chosen = (i) => of.moments.length && open(of, i, named(about, request, i), command(about, request, i));
      noisy = tiles(get('noisy'), request.seeds.map((_, i) => `${named(about, request, i)}: open`), chosen);
      guess = tiles(get('guess'), request.seeds.map((_, i) => `The guess for ${named(about, request, i)}: open`), chosen);
      button.disabled = slider.disabled = true;
    },
    /** A step of it has come. */
    add(moment) {
      film.add(moment);
      slider.max = film.moments.length - 1;
      play.at(film.moments.length - 1);
    },
    /** It has ended, or was stopped. */
    end() {
      button.disabled = slider.disabled = !film || film.moments.length < 2;
    },
  };
}

/** A moment in words. */
function described(about, t, timestep, k, steps) {
  if (t === 0) return `step ${steps} of ${steps}: finished`;
  const signal = Math.sqrt(about.alpha_bar[timestep]);
  const width = Math.sqrt(1 - about.alpha_bar[timestep]);
  const mixed = `x = ${signal.toFixed(2)} · image + ${width.toFixed(2)} · noise`;
  return `step ${steps - t} of ${steps}: t = ${timestep}, ${mixed}`;
}
