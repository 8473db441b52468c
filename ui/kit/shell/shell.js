// What Streamlit's own elements lack for those who use a keyboard or a screen reader.

const NAVIGATION = "[data-testid=stSidebarNavItems]:not([role])";
const HELP = "[data-testid=stTooltipIcon] button:not([tabindex])";
const FIELD = "input, textarea, [role=slider], [role=radiogroup], [role=combobox]";

const container = (node) => node.closest("[data-testid=stElementContainer]");

/** Streamlit's list of pages has groups where only items may be. */
function nameGroups(list) {
  list.setAttribute("role", "none");
  for (const group of list.children) {
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", group.querySelector("header p")?.textContent ?? "");
  }
  for (const item of list.querySelectorAll("li")) item.setAttribute("role", "none");
}

/** Help of a field comes with the field: its button, which stands before it, is one for the mouse. */
function skipHelp(button) {
  if (container(button)?.querySelector(FIELD)) button.tabIndex = -1;
}

function mend() {
  document.querySelectorAll(NAVIGATION).forEach(nameGroups);
  document.querySelectorAll(HELP).forEach(skipHelp);
}

let waiting = 0;
new MutationObserver(() => {
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    mend();
  });
}).observe(document, { childList: true, subtree: true });

// The help of a field that a key has reached opens as if the mouse stood on its button; Escape closes it.
let byKey = false;
for (const kind of ["keydown", "pointerdown", "pointermove"])
  document.addEventListener(kind, () => document.documentElement.toggleAttribute("data-by-key", (byKey = kind === "keydown")), true);

function point(field, event) {
  const target = field.matches(FIELD) && container(field)?.querySelector("[data-testid=stTooltipIcon] span");
  target?.dispatchEvent?.(new PointerEvent(event, { bubbles: true, pointerType: "mouse" }));
}
document.addEventListener("focusin", ({ target }) => byKey && point(target, "pointerover"));
document.addEventListener("focusout", ({ target }) => point(target, "pointerout"));

// What was pressed in a dialog falls asleep while a file is made, and the keys go to the page: they are the dialog's.
document.addEventListener(
  "keydown",
  ({ key }) => {
    const dialog = document.activeElement === document.body && document.querySelector("[role=dialog]");
    if (!dialog) return;
    dialog.focus();
    if (key === "Escape") dialog.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  },
  true,
);
