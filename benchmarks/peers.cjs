// What benchmarks/peers.py asks of tfjs: FOLDER with the numbers, then vocab size, dimension, context, hidden, batch.
const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs");
const { setWasmPaths } = require("@tensorflow/tfjs-backend-wasm");

const [folder, ...sizes] = process.argv.slice(2);
const [V, d, n, H, batch] = sizes.map(Number);
const bytes = (name) => new Uint8Array(fs.readFileSync(path.join(folder, name))).buffer;
const ints = (name) => new Int32Array(bytes(name));
const floats = (name) => new Float32Array(bytes(name));

/** Some of the examples, contexts as one-hot rows: the backend has no gradient of looking up. */
function examples(contexts, targets, rows) {
  const x = new Int32Array(rows.length * n);
  const y = new Int32Array(rows.length);
  rows.forEach((row, i) => {
    x.set(contexts.subarray(row * n, (row + 1) * n), i * n);
    y[i] = targets[row];
  });
  return [x, y].map((ids) => tf.cast(tf.oneHot(tf.tensor1d(ids, "int32"), V), "float32"));
}

async function main() {
  setWasmPaths(path.join(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm")), "/"));
  await tf.setBackend("wasm");
  await tf.ready();
  const shapes = { C: [V, d], W1: [n * d, H], b1: [H], W2: [H, V], b2: [V] };
  const p = {};
  for (const [name, shape] of Object.entries(shapes)) p[name] = tf.variable(tf.tensor(floats(name), shape));
  const loss = (x, y) => {
    const embedded = tf.reshape(tf.matMul(x, p.C), [-1, n * d]);
    const hidden = tf.tanh(tf.add(tf.matMul(embedded, p.W1), p.b1));
    return tf.losses.softmaxCrossEntropy(y, tf.add(tf.matMul(hidden, p.W2), p.b2));
  };
  const [X, Y, rows, rates] = [ints("X"), ints("Y"), ints("rows"), floats("rates")];
  const [XVal, YVal] = [ints("X_val"), ints("Y_val")];
  const optimizer = tf.train.adam(rates[0], 0.9, 0.99, 1e-8);
  const began = performance.now();
  rates.forEach((rate, step) => {
    optimizer.learningRate = rate;
    tf.tidy(() => {
      const [x, y] = examples(X, Y, rows.subarray(step * batch, (step + 1) * batch));
      optimizer.minimize(() => loss(x, y));
    });
  });
  const all = Int32Array.from(YVal.keys());
  const valLoss = tf.tidy(() => loss(...examples(XVal, YVal, all)).dataSync()[0]);
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000, val_loss: valLoss }));
}

main();
