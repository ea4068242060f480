// Reads golden files with nothing but the document: no code of ours, no library.
//
//   node stranger.mjs asyncapi.json FILE.bin ...
//
// Of each batch the ids and types of its events are printed, of each command whether its signature
// holds (and, to be sure, whether it holds for another command), one line of JSON for each file.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createHash, createPublicKey, verify } from "node:crypto";
import zlib from "node:zlib";

const [documentPath, ...files] = process.argv.slice(2);
const document = JSON.parse(readFileSync(documentPath, "utf8"));
const unpack = {
  identity: (body) => body,
  gzip: (body, limit) => zlib.gunzipSync(body, { maxOutputLength: limit }),
  zstd: zlib.zstdDecompressSync && ((body, limit) => zlib.zstdDecompressSync(body, { maxOutputLength: limit })),
};

function readFrame(frame, bytes) {
  const end = bytes.indexOf(frame.header.endsWith);
  if (end < 0 || end > frame.header.bytesMax) throw new Error("no header line");
  const header = JSON.parse(bytes.subarray(0, end).toString("utf8"));
  const packed = bytes.subarray(end + 1);
  const { digest, packed: packing } = frame;
  const found = createHash(digest.algorithm).update(packed).digest("hex").slice(0, digest.hexDigits);
  if (found !== header[digest.member]) throw new Error("damaged");
  const encoding = header[packing.member];
  if (!packing.oneOf.includes(encoding)) throw new Error(`packed as ${encoding}`);
  if (!unpack[encoding]) return { header, skipped: `this Node has no ${encoding}` };
  return { header, body: JSON.parse(unpack[encoding](packed, frame.plainBytesMax).toString("utf8")) };
}

// README.md: members sorted by name, no white space, UTF-8, without `sig`.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

function isSigned(message, keyFile) {
  const [kid, key] = readFileSync(keyFile, "ascii").trim().split(" ");
  const { sig, ...unsigned } = message;
  const x = Buffer.from(key, "base64").toString("base64url");
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const bytes = Buffer.from(canonical(unsigned), "utf8");
  return message.kid === kid && verify(null, bytes, publicKey, Buffer.from(sig, "base64"));
}

for (const file of files) {
  const bytes = readFileSync(file);
  const told = { file };
  if (/batch-[^/]*$/.test(file)) {
    const { header, body, skipped } = readFrame(document.components.messages.batch["x-frame"], bytes);
    if (skipped) told.skipped = skipped;
    else {
      body.forEach((event, place) => {
        const id = `${header.epoch}-${header.stream}-${header.first + place}`;
        if (event.id !== id || body.length !== header.n) throw new Error(`${event.id} is out of place`);
      });
      told.ids = body.map((event) => event.id);
      told.types = body.map((event) => event.type);
    }
  } else {
    const message = JSON.parse(bytes.toString("utf8"));
    const key = join(dirname(file), "platform.pub");
    told.signed = isSigned(message, key);
    told.forged = isSigned({ ...message, counter: message.counter + 1 }, key);
  }
  console.log(JSON.stringify(told));
}
