// Makes the calls that it reads from standard input, [[name, argument…]…], with @actions/core.
// Commands go to standard output; what the calls return or throw goes to the file RESULTS, an entry a call.
// DELIMITER, when given, stands in for every random UUID.
import crypto from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import * as core from "@actions/core";

if (process.env.DELIMITER) {
  crypto.randomUUID = () => process.env.DELIMITER;
  syncBuiltinESMExports();
}
const results = [];
for (const [name, ...given] of JSON.parse(fs.readFileSync(0, "utf8"))) {
  try {
    const value = name === "summary" ? await core.summary.addRaw(given[0]).write() && null : await core[name](...given);
    results.push({ value: value ?? null });
  } catch (error) {
    results.push({ error: error.message });
  }
}
fs.writeFileSync(process.env.RESULTS, JSON.stringify(results));
