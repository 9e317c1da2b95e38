// The rules of actions/upload-artifact v7 that a workflow can trip over: hidden files stay behind, an empty match is
// a warning or an error, names are unique in a run, and the archive's root is the deepest folder that all share.
const fs = require('fs')
const path = require('path')
const { DefaultArtifactClient } = require('@actions/artifact')
const core = require('../core')

const hidden = name => path.basename(name).startsWith('.')

function walk (found, item, withHidden) {
  if (!withHidden && hidden(item)) return
  const stat = fs.statSync(item)
  if (stat.isFile()) found.add(item)
  if (stat.isDirectory()) for (const name of fs.readdirSync(item)) walk(found, path.join(item, name), withHidden)
}

function expand (pattern) {
  let found = [path.parse(pattern).root]
  for (const part of pattern.slice(found[0].length).split(path.sep).filter(Boolean)) {
    const wanted = core.matcher(part)
    found = found.flatMap(base => {
      if (!part.includes('*')) return fs.existsSync(path.join(base, part)) ? [path.join(base, part)] : []
      return fs.readdirSync(base).filter(name => wanted.test(name)).map(name => path.join(base, name))
    })
  }
  return found
}

function search (lines, withHidden) {
  const found = new Set()
  const roots = []
  for (const line of lines) {
    const taken = expand(path.resolve(line.replace(/^!/, '')))
    const files = new Set()
    for (const item of taken) walk(files, item, withHidden)
    if (line.startsWith('!')) for (const file of files) found.delete(file)
    else {
      for (const file of files) found.add(file)
      for (const item of taken) roots.push(fs.statSync(item).isDirectory() && !line.includes('*') ? item : path.dirname(item))
    }
  }
  return { files: [...found].sort(), root: common(roots) }
}

function common (folders) {
  let parts = (folders[0] || process.cwd()).split(path.sep)
  for (const folder of folders) {
    const other = folder.split(path.sep)
    let same = 0
    while (same < parts.length && parts[same] === other[same]) same++
    parts = parts.slice(0, same)
  }
  return parts.join(path.sep) || path.sep
}

async function main () {
  const name = core.input('name')
  const { files, root } = search(core.lines('path'), core.flag('include-hidden-files'))
  if (!files.length) {
    const text = `No files were found with the provided path: ${core.input('path')}. No artifacts will be uploaded.`
    if (core.input('if-no-files-found') === 'error') throw new Error(text)
    return core.input('if-no-files-found') === 'warn' && console.log(`::warning::${core.data(text)}`)
  }
  const client = new DefaultArtifactClient()
  const { artifacts } = await client.listArtifacts({ latest: false })
  if (artifacts.some(other => other.name === name) && !core.flag('overwrite')) {
    throw new Error(`Failed to CreateArtifact: (409) Conflict: an artifact with this name already exists on the workflow run: ${name}`)
  }
  const { id } = await client.uploadArtifact(name, files, root, { compressionLevel: Number(core.input('compression-level')) })
  core.output('artifact-id', id)
  console.log(`Artifact ${name} has been successfully uploaded: ${files.length} files`)
}

main().catch(core.fail)
