// Checks workflows and actions with GitHub's own language service: reads {"root": folder, "files": [{"name", "text"}]} as
// JSON, writes [{"name", "line", "message", "severity"}]. Bundled before it runs, because the service imports JSON
// files in a way that Node 20 and 22 refuse. What `$/` and OWNER/goferry name is read from `root`; third-party actions
// are known where tests/parts/act has a stand-in.
import {readFileSync, existsSync} from "node:fs";
import {join} from "node:path";
import {validate} from "@actions/languageservice";
import {TextDocument} from "vscode-languageserver-textdocument";
import {parse} from "yaml";

const {root, files} = JSON.parse(readFileSync(0, "utf8"));
const given = new Map(files.map(({name, text}) => [name, text]));

function read(path) {
  if (given.has(path)) return given.get(path);
  return existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined;
}

const fileProvider = {
  async getFileContent(reference) {
    const content = read(reference.path);
    if (content === undefined) throw new Error(`there is no ${reference.path}`);
    return {name: reference.path, content};
  },
};

const actionsMetadataProvider = {
  async fetchActionMetadata({owner, name, path}) {
    if (name !== "goferry") {
      const standIn = owner === "actions" ? read(`tests/parts/act/${name}/action.yml`) : undefined;
      return standIn ? parse(standIn) : {name, description: ""};
    }
    const text = read(join(path ?? "", "action.yml"));
    return text === undefined ? undefined : parse(text);
  },
};

const found = [];
for (const {name, text} of files) {
  const document = TextDocument.create(`file:///${name}`, "yaml", 1, text);
  for (const {message, range, severity} of await validate(document, {fileProvider, actionsMetadataProvider})) {
    found.push({name, line: range.start.line + 1, message, severity: severity ?? 1});
  }
}
console.log(JSON.stringify(found));
