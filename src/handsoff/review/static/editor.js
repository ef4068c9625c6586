/** One sample: its image, its label in the editor of its kind, its uncertainty, and what was decided about it. */

import * as api from "./api.js";
import { button, byId, decimals, h } from "./dom.js";
import * as generic from "./generic.js";
import * as mask from "./mask.js";
import * as planes from "./planes.js";
import * as png from "./png.js";
import * as points from "./points.js";
import { packed, paint } from "./raster.js";
import { createStage } from "./stage.js";

/** What each kind of label is edited and compared with; a task of your own has the generic one. */
export const KINDS = { mask, points, planes, generic };

const LEAST_DOUBT = 0.05 * 255; // below this, nothing in an image is uncertain
const DECISIONS = [["accept", "Accept", "A"], ["reject", "Reject", "R"], ["undecided", "Undecided", "U"]];

/**
 * @param {{dataset: Object, saver: Object, decide: (name: string, decision: string) => void, step: (by: number) => void,
 *   close: () => void, undoLast: () => void, say: (text: string, tone?: string) => void}} on
 */
export function createEditor({ dataset, saver, decide, step, close, undoLast, say }) {
  const stage = createStage(byId("stage"));
  const tasks = Object.keys(dataset.tasks);
  let [task, sample, kind, opening] = [tasks[0], null, null, 0];
  let lately = "label"; // what was changed last
  let [doubt, doubtShown, opacity] = [null, false, 0.55];

  const decisions = new Map(DECISIONS.map(([value, text, key]) => [value,
    button(text, key, () => decided(value), { className: `decision ${value}` })]));
  byId("decisions").replaceChildren(...decisions.values());
  const tabs = new Map(tasks.map((name) => [name, h("button", { type: "button", className: "tab",
    onclick: () => choose(name) }, name)]));
  byId("tasks").replaceChildren(...(tasks.length > 1 ? tabs.values() : []));
  byId("tasks").hidden = tasks.length < 2;

  const slider = h("input", { type: "range", id: "opacity", min: 0, max: 100, value: 100 * opacity, oninput: () => fade(slider.value / 100) });
  const check = h("input", { type: "checkbox", id: "doubt", onchange: () => showDoubt(check.checked) });
  byId("layers").replaceChildren(
    h("label", { htmlFor: "opacity" }, "Label over the image ", h("kbd", {}, "O")), slider,
    h("label", { className: "check", htmlFor: "doubt" }, check, "Uncertainty ", h("kbd", {}, "I")),
    h("div", { className: "row" }, button("Zoom in", "+", () => stage.zoom(1.5)), button("Zoom out", "−", () => stage.zoom(1 / 1.5)),
      button("Fit", "⇧F", () => stage.fit(), { ariaKeyShortcuts: "Shift+F" })));

  function fade(value) {
    opacity = value;
    slider.value = 100 * value;
    stage.element.style.setProperty("--opacity", value);
  }

  async function showDoubt(on) {
    check.checked = doubtShown = on;
    if (on && doubt === null) await loadDoubt(opening);
    if (doubt) doubt.hidden = !on;
  }

  /** Uncertain pixels glow, the most uncertain ones of the image most. */
  async function loadDoubt(mine) {
    const blob = await api.uncertainty(task, sample.name);
    if (mine !== opening) return;
    if (!blob) {
      say("No uncertainty map of this sample is kept");
      check.checked = doubtShown = false;
      return;
    }
    const plane = await png.decode(blob);
    if (mine !== opening) return;
    doubt = stage.layer("doubt");
    [doubt.width, doubt.height] = [plane.width, plane.height];
    const top = plane.values.reduce((most, value) => Math.max(most, value), LEAST_DOUBT);
    const glow = Uint32Array.from({ length: 256 }, (_, value) => {
      const share = Math.min(1, value / top);
      return packed(255, 60 + 180 * share, 0, 255 * share ** 1.5);
    });
    paint(doubt, (at) => glow[plane.values[at]]);
  }

  /** What is being drawn ends here, on the sample on which it began, and what was changed is sent. */
  function settle() {
    stage.finish();
    kind?.leave?.();
    if (sample) saver.flush(sample.name);
  }

  /** Opens a sample; what this window has not saved yet counts more than what the server has. */
  async function open(next, place) {
    settle();
    const mine = ++opening;
    [sample, kind, doubt, lately] = [next, null, null, "label"];
    headline(place);
    stage.clear(); // nothing more is drawn on the label that was open
    busy(true);
    try {
      await stage.open(api.imageUrl(next.name));
      if (mine === opening) await openLabel(mine);
    } catch (error) {
      if (mine !== opening) return;
      byId("tools").replaceChildren();
      say(error.message, "bad");
    }
    if (mine === opening) busy(false);
  }

  function busy(on) {
    stage.element.ariaBusy = String(on);
    byId("tools").inert = on;
    if (!on && document.activeElement === document.body) stage.element.focus({ preventScroll: true });
  }

  async function openLabel(mine) {
    const [{ name }, target, spec] = [sample, task, { ...dataset.tasks[task], name: task }];
    const editor = KINDS[spec.editor];
    const pending = saver.pending(name, target);
    const found = pending ? { body: await pending } : await api.label(target, name);
    const label = await editor.read(found.body);
    if (mine !== opening) return;
    if (found.version != null) saver.seen(name, +found.version);
    const changed = (body, type) => {
      if (mine !== opening) return;
      lately = "label";
      saver.label(name, target, body, type);
    };
    const regions = async () => ({ values: await api.regions(target, name), ...stage.size() });
    if (!pending) api.checkSize(found.body);
    kind = editor.open({ stage, task: spec, label, sample, regions, changed, say });
    byId("tools").replaceChildren(...kind.panel);
    tabs.forEach((tab, each) => (tab.ariaPressed = String(each === task)));
    fade(opacity);
    if (doubtShown) await loadDoubt(mine);
  }

  function headline(place) {
    byId("sample-name").textContent = sample.name;
    byId("sample-place").textContent = [place, sample.uncertainty != null && `uncertainty ${decimals(sample.uncertainty)}`,
      sample.corrected.length && "corrected"].filter(Boolean).join(" · ");
    decisions.forEach((one, value) => (one.ariaPressed = String(value === sample.decision)));
    stage.element.ariaLabel = `Image and label of ${sample.name}`;
  }

  function choose(next) {
    settle();
    task = next;
    open(sample, byId("sample-place").textContent.split(" · ")[0]);
  }

  function decided(value) {
    lately = "decision";
    decide(sample.name, value);
  }

  /** A decision is taken back by the server, strokes are taken back here. */
  function undo() {
    if (lately === "label") return kind?.undo();
    lately = "label";
    return undoLast();
  }

  return {
    open,
    name: () => sample?.name,
    /** News of the sample that is open: `reload` where its label is another now. */
    update(news, place) {
      Object.assign(sample, news);
      if (news.reload) open(sample, place);
      else headline(place);
    },
    leave() {
      settle();
      opening++;
      [sample, kind] = [null, null];
    },
    keys: () => [
      ["Sample", [
        { keys: ["ArrowLeft"], shown: "←", what: "the one before", run: () => step(-1) },
        { keys: ["ArrowRight"], shown: "→", what: "the next", run: () => step(1) },
        ...DECISIONS.map(([value, , key]) => ({ keys: [key.toLowerCase()], shown: key, what: value, run: () => decided(value) })),
        { keys: ["z", "^z"], shown: "Z", what: "takes back the last change", run: undo },
        { keys: ["y", "^y", "^+z"], shown: "Y", what: "does it again", run: () => kind?.redo() },
        { keys: ["Escape"], shown: "Esc", what: "back to the grid", run: () => kind?.escape() || close() }]],
      ["View", [
        { keys: ["o"], shown: "O", what: "label on and off", run: () => fade(opacity ? 0 : 0.55) },
        { keys: ["i"], shown: "I", what: "uncertainty on and off", run: () => showDoubt(!doubtShown) },
        { keys: ["+", "="], shown: "+", what: "closer (or the wheel, or two fingers)", run: () => stage.zoom(1.5) },
        { keys: ["-"], shown: "−", what: "farther", run: () => stage.zoom(1 / 1.5) },
        { keys: ["+f"], shown: "Shift F", what: "the whole image", run: () => stage.fit() },
        { keys: [], shown: "Space", what: "held: the pointer moves the image", run() {} }]],
      ["Label", kind?.keys ?? []],
    ],
  };
}
