const SHOWN = 2000; // ms for which the button says that it has copied

function addressWith(more) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(more))
    if (!address.searchParams.has(name)) address.searchParams.set(name, value);
  return address.href;
}

/** Where the page comes over plain http from elsewhere, browsers have no clipboard but that of a selection. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("the browser refused");
}

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector(".copy-link");
  const [text, said] = [".copy-link-text", ".copy-link-said"].map((part) => parentElement.querySelector(part));
  button.onclick = async () => {
    const address = addressWith(data.more);
    try {
      await copy(address);
      text.textContent = "Copied";
      said.textContent = "The link is copied.";
      setTimeout(() => ([text.textContent, said.textContent] = ["Copy link", ""]), SHOWN);
    } catch {
      prompt("Copy this address", address);
    }
  };
}
