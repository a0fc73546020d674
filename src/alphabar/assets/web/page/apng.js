/** Animated PNG: the frames of a film, each a PNG of one size, in one file that every browser plays. */

const SIGNATURE = 8;

/** CRC-32, as PNG checks its chunks with. */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A chunk: its length, name, content and checksum. */
function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

/** The chunks of a PNG, as [name, content]. */
function* chunks(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let place = SIGNATURE; place < png.length;) {
    const length = view.getUint32(place);
    yield [new TextDecoder().decode(png.subarray(place + 4, place + 8)), png.subarray(place + 8, place + 8 + length)];
    place += 12 + length;
  }
}

/** Big-endian numbers one after the other: [value, bytes], ... */
function numbers(...fields) {
  const bytes = [];
  for (const [value, size] of fields) for (let k = size - 1; k >= 0; k--) bytes.push((value >>> (8 * k)) & 255);
  return Uint8Array.from(bytes);
}

/**
 * @param {Uint8Array[]} frames PNGs of one size and type
 * @param {number[]} milliseconds how long each is shown
 * @returns {Blob} an animated PNG that repeats
 */
export function animated(frames, milliseconds) {
  const header = [...chunks(frames[0])].find(([name]) => name === 'IHDR')[1];
  const [width, height] = [0, 4].map((place) => new DataView(header.buffer, header.byteOffset).getUint32(place));
  const parts = [frames[0].subarray(0, SIGNATURE), chunk('IHDR', header)];
  parts.push(chunk('acTL', numbers([frames.length, 4], [0, 4])));
  let order = 0;
  frames.forEach((frame, k) => {
    const control = [[order++, 4], [width, 4], [height, 4], [0, 4], [0, 4], [milliseconds[k], 2], [1000, 2], [0, 1], [0, 1]];
    parts.push(chunk('fcTL', numbers(...control)));
    for (const [name, content] of chunks(frame)) {
      if (name !== 'IDAT') continue;
      parts.push(k ? chunk('fdAT', new Uint8Array([...numbers([order++, 4]), ...content])) : chunk('IDAT', content));
    }
  });
  parts.push(chunk('IEND', new Uint8Array()));
  return new Blob(parts, { type: 'image/png' });
}
