/** Pictures on the page: grey levels to a canvas, and a file of the visitor to pixels. */

/**
 * Shows an image (C, H, W) of grey levels 0..255 on a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} levels
 * @param {number[]} shape [C, H, W], C = 1 or 3
 */
export function show(canvas, levels, [channels, height, width]) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const plane = height * width;
  const picture = new ImageData(width, height);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = levels[channels === 3 ? c * plane + i : i];
    picture.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(picture, 0, 0);
}

/**
 * The visitor's image, its middle square, as pixels in [−1, 1], (3, side, side).
 * @param {Blob} file
 * @param {number} side
 * @returns {Promise<Float32Array>}
 */
export async function pixels(file, side) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error('This file is not an image that the browser can show; choose a PNG or JPEG.');
  });
  const canvas = Object.assign(document.createElement('canvas'), { width: side, height: side });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = 'high';
  const square = Math.min(bitmap.width, bitmap.height);
  context.drawImage(bitmap, (bitmap.width - square) / 2, (bitmap.height - square) / 2, square, square, 0, 0, side, side);
  bitmap.close();
  const { data } = context.getImageData(0, 0, side, side);
  const plane = side * side;
  return Float32Array.from({ length: 3 * plane }, (_, i) => data[4 * (i % plane) + Math.floor(i / plane)] / 127.5 - 1);
}

/** A canvas as the bytes of a PNG. */
export async function png(canvas) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  return new Uint8Array(await blob.arrayBuffer());
}
