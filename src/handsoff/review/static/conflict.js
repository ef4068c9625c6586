/** Another window was faster: both states side by side, and the question whose work stays. */

import * as api from "./api.js";
import { byId, h } from "./dom.js";
import { KINDS } from "./editor.js";

const SAID = { accept: "accept it", reject: "reject it", undecided: "leave it undecided" };

/** @returns {(conflict: Object) => Promise<"mine"|"theirs">} one question after the other */
export function createConflicts(dataset) {
  const dialog = byId("conflict");
  let queue = Promise.resolve();
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // only an answer closes it

  async function pictures({ name, task, body }) {
    const image = h("img", { src: api.imageUrl(name) });
    const spec = { ...dataset.tasks[task], name: task };
    const draw = async (label) => KINDS[spec.editor].picture(spec, label, image);
    await image.decode();
    const theirs = await api.label(task, name);
    return Promise.all([draw(body), draw(theirs.body)]);
  }

  async function sides(conflict) {
    if (!conflict.task) return [conflict.decision, conflict.current.decision].map((decision) => h("p", {}, SAID[decision] ?? decision));
    return pictures(conflict).catch(() => [h("p", {}, "your label"), h("p", {}, "the other label")]);
  }

  async function question(conflict) {
    const [mine, theirs] = await sides(conflict);
    byId("conflict-what").textContent = conflict.task
      ? `The label ${conflict.task} of ${conflict.name} was changed elsewhere while you worked on it.`
      : `${conflict.name} was changed elsewhere before you decided.`;
    byId("conflict-mine").replaceChildren(h("figcaption", {}, "Yours"), mine);
    byId("conflict-theirs").replaceChildren(h("figcaption", {}, "Theirs"), theirs);
    dialog.showModal();
    return new Promise((done) => {
      const answer = (choice) => () => {
        dialog.close();
        done(choice);
      };
      byId("keep-mine").onclick = answer("mine");
      byId("take-theirs").onclick = answer("theirs");
    });
  }

  return (conflict) => (queue = queue.then(() => question(conflict)));
}
