/** Small helpers for elements. */

/** The element with an id, which the page has. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element. Props that begin with `on` are listeners, those that the element has are properties, others attributes.
 * @param {string} tag
 * @param {Object<string, any>} props
 * @param {...(Node|string)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** A button that says its key. */
export function button(text, key, onclick, props = {}) {
  const label = key ? [text, " ", h("kbd", {}, key)] : [text];
  return h("button", { type: "button", onclick, ...(key ? { ariaKeyShortcuts: key } : {}), ...props }, ...label);
}

/** A choice: `options` are [value, text]. */
export function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
}

/** A number between 0 and 1 as people read it. */
export const decimals = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));

/** Whether keys pressed there belong to the element itself. */
export const typing = (target) => target.matches?.("input:not([type=radio], [type=range], [type=checkbox]), textarea, select");
