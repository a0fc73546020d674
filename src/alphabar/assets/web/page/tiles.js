/** A square of images, each a button. */

import { show } from './picture.js';

/**
 * @param {HTMLElement} place
 * @param {string[]} names what a screen reader says of each image
 * @param {(i: number) => void} chosen called when image i is chosen
 * @returns {(i: number, levels: Uint8Array, shape: number[]) => void} shows image i
 */
export function tiles(place, names, chosen) {
  const columns = Math.ceil(Math.sqrt(names.length));
  place.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
  place.style.gridTemplateRows = `repeat(${columns}, 1fr)`;
  const canvases = names.map((name, i) => {
    const button = Object.assign(document.createElement('button'), { type: 'button', className: 'tile' });
    button.setAttribute('aria-label', name);
    button.addEventListener('click', () => chosen(i));
    const canvas = document.createElement('canvas');
    button.append(canvas);
    return canvas;
  });
  place.replaceChildren(...canvases.map((canvas) => canvas.parentElement));
  return (i, levels, shape) => show(canvases[i], levels, shape);
}
