/** A slider with a button that plays it. */

const SECONDS = 3;

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLInputElement} slider its values are 0..max
 * @param {(place: number) => void} shown called with each place that is shown
 * @returns {{stop: () => void, at: (place: number) => void}}
 */
export function player(button, slider, shown) {
  let timer = 0;
  const at = (place) => {
    slider.value = place;
    shown(Number(slider.value));
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = 'Play';
  };
  const play = () => {
    button.textContent = 'Pause';
    const last = Number(slider.max);
    if (Number(slider.value) === last) at(0);
    timer = setInterval(() => {
      at(Number(slider.value) + 1);
      if (Number(slider.value) === last) stop();
    }, Math.max(30, (SECONDS * 1000) / Math.max(last, 1)));
  };
  button.addEventListener('click', () => (timer ? stop() : play()));
  slider.addEventListener('input', () => {
    stop();
    shown(Number(slider.value));
  });
  return { stop, at };
}
