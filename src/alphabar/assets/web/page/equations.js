/** The equation at work, in symbols and in words, with its place in the book. */

const GUESS = '<p>x̂<sub>0</sub> is the network’s guess of the image, and ε̂ the noise that it would mean. ᾱ<sub>t</sub> says how much of the image is left at step t.</p>';
const FLOW = '<p>No new noise: the same start always leads to the same image.</p>';
const X0 = 'x̂<sub>0</sub>';

/** For each sampler: its name, its equation, its words, and its source. */
export const EQUATIONS = {
  ddpm: {
    title: 'DDPM: a random step',
    formula: 'x<sub>t−1</sub> = μ̃<sub>t</sub>(x<sub>t</sub>, x̂<sub>0</sub>) + σ<sub>t</sub> z',
    words: `<p>Take the mean of all places from which x<sub>t</sub> could have come if the guess were right, and add a little new noise z.</p>`,
    source: 'Ho et al. 2020, Algorithm 2',
  },
  ddim: {
    title: 'DDIM: a step without noise',
    formula: `x<sub>t−1</sub> = √ᾱ<sub>t−1</sub> ${X0} + √(1 − ᾱ<sub>t−1</sub>) ε̂`,
    words: `<p>Mix the guess and its noise again, in the proportions of the step before.</p>${FLOW}`,
    source: 'Song et al. 2021, Eq. 12 with η = 0',
  },
  heun: {
    title: 'Heun: look ahead, then step',
    formula: 'x̄<sub>s</sub> = x̄<sub>t</sub> + (σ<sub>s</sub> − σ<sub>t</sub>) (ε̂<sub>t</sub> + ε̂<sub>s</sub>) / 2',
    words: `<p>Step with the noise ε̂<sub>t</sub> found here, ask the network again where that leads, and step with the average of both. Two calls of the network each time. (x̄ = x/√ᾱ, σ = √(1/ᾱ − 1).)</p>${FLOW}`,
    source: 'Karras et al. 2022, Algorithm 1',
  },
  dpmpp_2m: {
    title: 'DPM-Solver++(2M): two guesses, one line',
    formula: `D = ${X0} + (${X0} − ${X0}′) / 2r<br>x<sub>s</sub> = (σ<sub>s</sub>/σ<sub>t</sub>) x<sub>t</sub> + √ᾱ<sub>s</sub> (1 − e<sup>−h</sup>) D`,
    words: `<p>The guess changes as the noise goes. Draw a line through the last two guesses, ${X0}′ and ${X0}, and step towards where it will be in the middle of the step. (h is the step in ½ log SNR, r the last one in units of it; σ = √(1 − ᾱ).)</p>${FLOW}`,
    source: 'Lu et al. 2022, Algorithm 2',
  },
  dpmpp_2m_sde: {
    title: 'DPM-Solver++(2M) SDE: a line, and noise',
    formula: `D = ${X0} + (${X0} − ${X0}′) / 2r<br>x<sub>s</sub> = (σ<sub>s</sub>/σ<sub>t</sub>) e<sup>−h</sup> x<sub>t</sub><br>&emsp;+ √ᾱ<sub>s</sub> (1 − e<sup>−2h</sup>) D<br>&emsp;+ σ<sub>s</sub> √(1 − e<sup>−2h</sup>) z`,
    words: `<p>Step towards D, which lies ahead on the line through the last two guesses ${X0}′ and ${X0}, and add a little new noise z, which covers the errors of earlier steps. (h is the step in ½ log SNR, r the last one in units of it; σ = √(1 − ᾱ).)</p>`,
    source: 'Lu et al. 2022, §4.3',
  },
};

/** The forward process. */
export const FORWARD = {
  title: 'Mixing noise in',
  formula: 'x<sub>t</sub> = √ᾱ<sub>t</sub> x<sub>0</sub> + √(1 − ᾱ<sub>t</sub>) ε',
  words: `<p>x<sub>0</sub> is the image and ε is noise. ᾱ<sub>t</sub> falls from 1 (all image) to 0 (all noise). The <b>signal-to-noise ratio</b> is SNR = ᾱ<sub>t</sub> / (1 − ᾱ<sub>t</sub>).</p><p>The linear schedule destroys the image early, so that many of its last steps look alike. The cosine schedule was made to spread the change evenly.</p>`,
  source: 'DDPM, Eq. 4; Improved DDPM, Eq. 17',
};

const GUIDANCE = {
  formula: `${X0} = ${X0}(∅) + w · (${X0}(y) − ${X0}(∅))`,
  words: '<p><b>Guidance</b>: the network guesses with the class y and without one (∅); w goes further in the direction that y makes.</p>',
};

/** @param {number} w the guidance scale; 1 is off */
export function explained(place, id, { title, formula, words, source }, w = 1) {
  const book = document.querySelector('meta[name=book]').content;
  place.innerHTML = `
    <h3 id="${id}">${title}</h3>
    <p class="formula">${formula}</p>${words}
    ${id === 'equation-title' ? GUESS : ''}
    ${w === 1 ? '' : `<p class="formula">${GUIDANCE.formula}</p>${GUIDANCE.words}`}
    <p>Source: ${source}. <a href="${book}">Each equation and its line of Python</a></p>`;
}
