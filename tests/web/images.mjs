// Samples images with the page's own JavaScript and onnxruntime-web, in node: node images.mjs SOURCE BUILT < requests.json
// SOURCE: the page's own files, which a package.json calls modules; BUILT: an exported page.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [source, page] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(source, name)));
const { generated, to_uint8 } = await load('diffusion/generation.js');
const { network } = await load('network.js');
const ort = await import(pathToFileURL(join(page, 'ort/ort.wasm.min.mjs')));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = readFileSync(join(page, 'ort/ort-wasm-simd-threaded.wasm'));
ort.env.wasm.wasmPaths = { mjs: pathToFileURL(join(page, 'ort/ort-wasm-simd-threaded.mjs')).href };

const about = JSON.parse(readFileSync(join(page, 'model.json')));
const model = await network(ort, about, readFileSync(join(page, 'model.onnx')), 'wasm');
const answers = [];
for (const request of JSON.parse(readFileSync(0, 'utf8'))) {
  let last;
  for await (const step of generated(model, about, request)) last = step;
  answers.push([...to_uint8(last.x)]);
}
process.stdout.write(JSON.stringify(answers));
