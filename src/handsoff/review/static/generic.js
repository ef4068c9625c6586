/** Labels of any other kind: looked at as their task draws them, and replaced by a file. */

import * as api from "./api.js";
import { h } from "./dom.js";

/** The file itself: nothing more is known of it. */
export const read = async (body) => body;

/** A label for people to compare: its size is all that is known of it here. */
export async function picture(task, body) {
  return h("p", {}, `${body.size.toLocaleString("en")} bytes`);
}

/** @param {{stage: Object, task: Object, label: Blob, sample: Object, changed: Function}} on see `mask.open` */
export function open({ stage, task, label: body, sample, changed, say }) {
  const drawing = h("img", { className: "layer label", alt: "", src: api.thumbnailUrl(sample.name, task.name, sample.version, 512) });
  [drawing.style.width, drawing.style.height] = [`${stage.size().width}px`, `${stage.size().height}px`];
  stage.world.append(drawing);
  const type = body.type || "application/octet-stream";
  const link = h("a", { href: URL.createObjectURL(body), download: `${sample.name.replaceAll("/", "-")}.${task.name}` }, "Save this label as a file");

  const file = h("input", { type: "file", id: "file", onchange: async () => {
    if (!file.files.length) return;
    const [chosen] = file.files;
    changed(async () => chosen, type);
    say(`${chosen.name} replaces the label`);
  } });
  return {
    panel: [h("p", { className: "hint" }, `A label of the kind ${task.name} is corrected in its own tool and comes back as a file.`),
      h("p", {}, link), h("label", { htmlFor: "file" }, "Replace the label by a file"), file],
    undo: () => false,
    redo: () => false,
    escape: () => false,
    keys: [],
  };
}
