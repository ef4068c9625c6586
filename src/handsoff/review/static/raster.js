/**
 * Pixels set exactly, without smoothing. A plane is {values, width, height}; the pixel in column i and row j covers
 * i ≤ x < i + 1 and j ≤ y < j + 1.
 */

/** Whether a place is on the plane. */
export const inside = (plane, x, y) => x >= 0 && y >= 0 && x < plane.width && y < plane.height;

/** The value under a place. */
export const valueAt = (plane, x, y) => plane.values[Math.floor(y) * plane.width + Math.floor(x)];

/** The middle of a brush: of a pixel for odd sizes, a corner of pixels for even ones. */
const anchored = (value, size) => (size % 2 ? Math.floor(value) + 0.5 : Math.round(value));

/** A straight stroke of a round brush `size` pixels wide. */
export function stroke(plane, from, to, size, value) {
  const [ax, ay, bx, by] = [from.x, from.y, to.x, to.y].map((place) => anchored(place, size));
  const [dx, dy, radius] = [bx - ax, by - ay, size / 2];
  const length = dx * dx + dy * dy || 1;
  const last = (limit, place) => Math.min(limit - 1, Math.ceil(place + radius));
  for (let j = Math.max(0, Math.floor(Math.min(ay, by) - radius)); j <= last(plane.height, Math.max(ay, by)); j++) {
    for (let i = Math.max(0, Math.floor(Math.min(ax, bx) - radius)); i <= last(plane.width, Math.max(ax, bx)); i++) {
      const [x, y] = [i + 0.5 - ax, j + 0.5 - ay];
      const along = Math.min(1, Math.max(0, (x * dx + y * dy) / length));
      const [across, down] = [x - along * dx, y - along * dy];
      if (across * across + down * down <= radius * radius) plane.values[j * plane.width + i] = value;
    }
  }
}

/** The pixels whose centres lie in a polygon; where it crosses itself, by the even-odd rule. */
export function polygon(plane, points, value) {
  for (let j = 0; j < plane.height; j++) {
    const y = j + 0.5;
    const crossings = points
      .map((a, index) => [a, points[(index + 1) % points.length]])
      .filter(([a, b]) => a.y <= y !== b.y <= y)
      .map(([a, b]) => a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x))
      .sort((one, other) => one - other);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const first = Math.max(0, Math.ceil(crossings[k] - 0.5));
      const end = Math.min(plane.width, Math.ceil(crossings[k + 1] - 0.5));
      if (first < end) plane.values.fill(value, j * plane.width + first, j * plane.width + end);
    }
  }
}

/** The connected pixels of `source` that have the value under a place; `plane` gets `value` there. */
export function fill(plane, source, x, y, value) {
  const { width, height } = plane;
  const wanted = valueAt(source, x, y);
  const seen = new Uint8Array(width * height);
  const waiting = [Math.floor(y) * width + Math.floor(x)];
  seen[waiting[0]] = 1;
  while (waiting.length) {
    const at = waiting.pop();
    plane.values[at] = value;
    const column = at % width;
    const neighbours = [column > 0 && at - 1, column < width - 1 && at + 1, at >= width && at - width, at + width];
    for (const next of neighbours) {
      if (next === false || next >= width * height || seen[next] || source.values[next] !== wanted) continue;
      seen[next] = 1;
      waiting.push(next);
    }
  }
}

/** All pixels of the region under a place. */
export function region(plane, regions, x, y, value) {
  const wanted = valueAt(regions, x, y);
  for (let at = 0; at < regions.values.length; at++) if (regions.values[at] === wanted) plane.values[at] = value;
}

/** A colour as image data hold it. */
export const packed = (red, green, blue, alpha = 255) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/**
 * Paints a canvas pixel by pixel.
 * @param {HTMLCanvasElement} canvas
 * @param {(at: number) => number} colour of the pixel number `at`, see `packed`; 0 is transparent
 */
export function paint(canvas, colour) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < pixels.length; at++) pixels[at] = colour(at);
  context.putImageData(image, 0, 0);
}
