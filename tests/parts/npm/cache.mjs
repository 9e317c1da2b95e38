// Makes the calls that it reads from standard input, [["save", name, text] | ["restore", name…]…], with @actions/cache,
// on the file ~/packs/pack. What each gives goes to standard output as the last line: the name that was found, the text
// that the file has then, and for a save whether there is an entry.
import fs from "node:fs";
import os from "node:os";
import cache from "@actions/cache";

const folder = `${os.homedir()}/packs`;
const results = [];
for (const [call, name, ...more] of JSON.parse(fs.readFileSync(0, "utf8"))) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  if (call === "save") {
    fs.writeFileSync(`${folder}/pack`, more[0]);
    results.push((await cache.saveCache(["~/packs"], name)) !== -1);
  } else {
    const found = await cache.restoreCache(["~/packs"], name, more);
    results.push(found ? [found, fs.readFileSync(`${folder}/pack`, "utf8")] : null);
  }
}
console.log("\n" + JSON.stringify(results));
process.exit(0);
