/**
 * Grey PNG files, read and written without a canvas: browsers may change pixels that pass through one (colour profiles,
 * protection against fingerprinting), and a class id must stay what it is.
 */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

const through = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

function chunk(type, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(content, 8);
  view.setUint32(content.length + 8, crc(bytes.subarray(4, content.length + 8)));
  return bytes;
}

/**
 * An 8-bit grey PNG.
 * @param {{values: Uint8Array, width: number, height: number}} plane
 * @returns {Promise<Blob>}
 */
export async function encode({ values, width, height }) {
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head[8] = 8; // bits; the colour type 0 is grey
  const rows = new Uint8Array((width + 1) * height); // a row begins with its filter, 0: none
  for (let y = 0; y < height; y++) rows.set(values.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const data = await through(rows, new CompressionStream("deflate"));
  const parts = [Uint8Array.from(SIGNATURE), chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", new Uint8Array())];
  return new Blob(parts, { type: "image/png" });
}

/**
 * The values of an 8-bit grey PNG.
 * @param {Blob} blob
 * @returns {Promise<{values: Uint8Array, width: number, height: number}>}
 */
export async function decode(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const data = [];
  for (let at = 8; at < bytes.length; at += view.getUint32(at) + 12) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === "IDAT") data.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const [width, height, bits, colour, interlaced] = [view.getUint32(16), view.getUint32(20), bytes[24], bytes[25], bytes[28]];
  if (colour !== 0 || interlaced || bits !== 8) throw new Error("The label is no PNG of 8-bit grey");
  const stored = await through(new Blob(data), new DecompressionStream("deflate"));
  return { values: unfiltered(stored, width, height), width, height };
}

/** Rows without their filters: every byte was stored as its difference to a prediction from its neighbours. */
function unfiltered(stored, width, height) {
  const values = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const filter = stored[y * (width + 1)];
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const left = x ? values[at - 1] : 0;
      const up = y ? values[at - width] : 0;
      const corner = x && y ? values[at - width - 1] : 0;
      values[at] = stored[y * (width + 1) + 1 + x] + predicted(filter, left, up, corner);
    }
  }
  return values;
}

function predicted(filter, left, up, corner) {
  if (filter < 3) return [0, left, up][filter];
  if (filter === 3) return (left + up) >> 1;
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
