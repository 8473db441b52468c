/** What a page's worker does with train.js before it: train what it is asked to, tell of every check, say that it is over. */

if (!globalThis.document) {
  onmessage = ({ data }) => {
    for (const told of trained(data)) postMessage(told);
    postMessage(null);
  };
}
