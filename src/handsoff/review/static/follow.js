/** "Image follows": somebody paints what a generated image is to show, the image follows, and may become a new sample. */

import * as api from "./api.js";
import { button, byId, h } from "./dom.js";

const PAUSE = 500; // milliseconds between two looks

/**
 * @param {Object} on
 * @param {Object} on.sample that is open
 * @param {Object} on.task of its label
 * @param {{begin: () => void, end: () => void, body: () => Promise<Blob>}} on.target the painted mask: begun, given up, as it is sent
 * @param {Function} on.picture see `mask.picture`
 * @param {Function} on.say
 */
export function createFollow({ sample, task, target, picture, say }) {
  let [painting, job, left] = [false, 0, false];
  const run = button("Image follows", "G", press, { ariaPressed: "false" });
  const stop = button("Stop", "", quit, { hidden: true });
  const bar = h("progress", { max: 1, hidden: true, ariaLabel: "How far the image is" });
  const note = h("p", { className: "hint", role: "status" });

  function begin() {
    painting = true;
    target.begin();
    run.ariaPressed = "true";
    stop.hidden = false;
    note.textContent = "Paint what the image is to show, then press Image follows again. The label stays as it is.";
  }

  /** Back to correcting the label; what runs is given up. */
  function quit() {
    if (!painting) return;
    painting = false;
    target.end();
    if (job) api.dropPainted(job).catch(() => {});
    job = 0;
    run.ariaPressed = "false";
    run.disabled = false;
    bar.hidden = stop.hidden = true;
    note.textContent = "";
  }

  async function press() {
    if (!painting) return begin();
    if (run.disabled) return;
    run.disabled = true;
    try {
      const started = (await api.paint(sample.name, await target.body())).job;
      if (left || !painting) return void (await api.dropPainted(started));
      job = started;
      await watch(started);
    } catch (error) {
      say(error.message, "bad");
    }
    run.disabled = false;
    bar.hidden = true;
  }

  async function watch(mine) {
    bar.hidden = false;
    for (;;) {
      const state = await api.paintState();
      if (mine !== job) return;
      if (state.job !== mine || state.state === "none") throw new Error("Another image follows now");
      if (state.state === "failed") throw new Error(state.note);
      bar.value = state.progress;
      note.textContent = state.note;
      if (state.state === "done") return show(state);
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }

  async function side(which) {
    const image = h("img", { src: api.paintedUrl(job, which, "image"), alt: `The image ${which}` });
    await image.decode();
    return [h("figcaption", {}, which === "before" ? "Before" : "After"), image,
      await picture(task, await api.paintedLabel(job, which), image)];
  }

  async function show({ reached }) {
    const mine = job;
    const [before, after] = await Promise.all(["before", "after"].map(side));
    if (mine !== job) return;
    byId("followed-what").textContent = `${Math.round(100 * reached)}% of what you painted is seen by the labeler in the new image. `
      + "The new sample gets the labeler's own label, below.";
    byId("followed-before").replaceChildren(...before);
    byId("followed-after").replaceChildren(...after);
    const dialog = byId("followed");
    dialog.oncancel = (event) => (event.preventDefault(), answered(false));
    byId("keep-followed").onclick = () => answered(true);
    byId("discard-followed").onclick = () => answered(false);
    note.textContent = "";
    dialog.showModal();
  }

  /** Kept or discarded; what cannot be kept stays on the screen. */
  async function answered(keep) {
    try {
      if (keep) {
        const { name, dataset } = await api.keepPainted(job);
        say(`Kept as ${name} in ${dataset}`);
        job = 0;
      }
      byId("followed").close();
      quit();
    } catch (error) {
      byId("followed-what").textContent = error.message;
    }
  }

  return {
    panel: h("section", { ariaLabel: "Image follows" }, h("div", { className: "row" }, run, stop), bar, note),
    keys: [{ keys: ["g"], shown: "G", what: "the image follows what you paint", run: press }],
    escape: () => painting && (quit(), true),
    leave() {
      left = true;
      if (byId("followed").open) byId("followed").close();
      quit();
    },
  };
}
