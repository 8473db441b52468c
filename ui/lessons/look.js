// Scrolls to what a lesson is about, and outlines it for as long as the lesson is on that page.
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

const newMark = () => Object.assign(document.createElement("style"), { className: "lesson-mark" });

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector(".lesson-look");
  const mark = document.querySelector("style.lesson-mark") ?? document.head.appendChild(newMark());
  const place = `.st-key-${data.evidence}`;
  if (button.dataset.evidence !== data.evidence) mark.textContent = "";
  button.dataset.evidence = data.evidence;
  button.onclick = () => {
    const evidence = document.querySelector(place);
    if (!evidence) return;
    const ink = getComputedStyle(button).getPropertyValue("--st-primary-color"); // known inside components only
    mark.textContent = `${place} { outline: 2px solid ${ink}; outline-offset: 8px; border-radius: 4px; }`;
    const fits = evidence.getBoundingClientRect().height < 0.8 * innerHeight;
    evidence.style.scrollMarginTop = "5rem"; // below the header
    evidence.scrollIntoView({ behavior: STILL.matches ? "auto" : "smooth", block: fits ? "center" : "start" });
  };
  return () => (mark.textContent = "");
}
