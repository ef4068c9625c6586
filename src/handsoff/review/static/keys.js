/** The keyboard: what each key does here and now, and the list that `?` shows. */

import { h, typing } from "./dom.js";

/**
 * @typedef {{keys: string[], shown?: string, what: string, run: (event: KeyboardEvent) => void}} Binding
 * `keys` as in KeyboardEvent.key, letters small; a leading `^` wants Ctrl or Cmd.
 * @param {() => [string, Binding[]][]} groups titles and bindings that hold now
 * @param {HTMLDialogElement} dialog
 */
export function createKeys(groups, dialog) {
  const pressed = (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    return event.ctrlKey || event.metaKey ? `^${event.shiftKey ? "+" : ""}${key}` : event.shiftKey ? `+${key}` : key;
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (typing(event.target) && event.key !== "Escape") return;
    const names = [pressed(event), ...(/^[^a-zA-Z]$/.test(event.key) ? [event.key] : [])]; // ? and [ may need Shift
    const found = groups().flatMap(([, bindings]) => bindings).find(({ keys }) => keys.some((key) => names.includes(key)));
    if (!found || keepsToItself(event)) return;
    event.preventDefault();
    found.run(event);
  });

  return {
    show() {
      const lists = groups().map(([title, bindings]) => h("section", {}, h("h3", {}, title), list(bindings)));
      dialog.querySelector(".keys").replaceChildren(...lists);
      dialog.showModal();
    },
  };
}

/** Arrows move sliders and choose radio buttons, Enter and the space bar press buttons. */
function keepsToItself({ target, key }) {
  if (target.matches?.("input[type=range], input[type=radio]")) return key.startsWith("Arrow");
  return target.matches?.("button, summary") && key === "Enter";
}

const list = (bindings) =>
  h("dl", {}, ...bindings.filter(({ shown }) => shown).map(({ shown, what }) =>
    h("div", {}, h("dt", {}, ...shown.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, what))));
