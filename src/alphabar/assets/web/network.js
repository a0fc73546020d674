/** The network of an exported model: a session of onnxruntime-web, as the samplers call it. */

/**
 * @param {object} ort the module onnxruntime-web
 * @param {object} about what the export says of the model
 * @param {Uint8Array} content the file model.onnx
 * @param {string} provider "wasm" or "webgpu"
 * @returns {Promise<import('./diffusion/guidance.js').Network>}
 */
export async function network(ort, about, content, provider) {
  const session = await ort.InferenceSession.create(content, { executionProviders: [provider], logSeverityLevel: 3 });
  const size = about.image_shape.reduce((product, side) => product * side);
  return async (x, time, y) => {
    const count = x.length / size;
    const inputs = {
      x: new ort.Tensor('float32', x, [count, ...about.image_shape]),
      time: new ort.Tensor('float32', new Float32Array(count).fill(time), [count]),
    };
    if (y) inputs.y = new ort.Tensor('int64', BigInt64Array.from(y, BigInt), [count]);
    const { output } = await session.run(inputs);
    return output.data;
  };
}
